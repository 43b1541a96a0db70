import type { z } from 'zod';

/** A version of a contract that was released, or is about to be. It stays readable forever. */
export interface KeptVersion {
  version: number;
  schema: z.ZodType;
  /** In the form on the wire. */
  example: unknown;
}

/** The versions of one contract, from 1 on. Writers write the newest version, and readers read all of them. */
export interface Versions<Body> {
  readonly newest: { version: number; schema: z.ZodType<Body>; example: unknown };
  readonly kept: readonly KeptVersion[];
  /**
   * Parses JSON of any kept version, and converts it to the newest.
   *
   * @throws UnknownVersion
   * @throws z.ZodError when the JSON is not valid in that version
   */
  read(version: number, json: unknown): Body;
  /** Adds a version that is not compatible with the one before. `upcast` converts a body of the version before. */
  next<Next, Input>(next: {
    schema: z.ZodType<Next, Input>;
    example: NoInfer<Input>;
    upcast: (body: Body) => NoInfer<Next>;
  }): Versions<Next>;
}

/** The message has a later version than this build knows. */
export class UnknownVersion extends Error {
  override name = 'UnknownVersion';
}

/** The body of a contract's newest version after parsing. */
export type BodyOf<Contract extends { versions: Versions<unknown> }> =
  Contract['versions'] extends Versions<infer Body> ? Body : never;

export function firstVersion<Body, Input>(first: {
  schema: z.ZodType<Body, Input>;
  example: NoInfer<Input>;
}): Versions<Body> {
  return versionsOf([], { version: 1, ...first }, (_, json) => first.schema.parse(json));
}

type Read<Body> = (version: number, json: unknown) => Body;

function versionsOf<Body>(
  before: readonly KeptVersion[],
  newest: { version: number; schema: z.ZodType<Body>; example: unknown },
  readKept: Read<Body>,
): Versions<Body> {
  const kept = [...before, newest];
  const read: Read<Body> = (version, json) => {
    if (!kept.some((known) => known.version === version)) {
      const known = kept.map((each) => each.version).join(', ');
      throw new UnknownVersion(
        `schema_version ${version} is unknown here, where ${known} is read: deploy readers of a new version before its writers`,
      );
    }
    return readKept(version, json);
  };
  return {
    newest,
    kept,
    read,
    next: ({ schema, example, upcast }) => {
      const version = newest.version + 1;
      return versionsOf(kept, { version, schema, example }, (written, json) =>
        written === version ? schema.parse(json) : upcast(readKept(written, json)),
      );
    },
  };
}
