import type { Logger } from 'pino';
import { z } from 'zod';
import type { commonSpecFields } from '../contracts/runtime-spec.ts';
import type { Runtime, RuntimeSpec } from './runtime.ts';

/** Variables of the environment by name. A variable that is not set is absent. */
export type Variables = Readonly<Record<string, string | undefined>>;

export interface OpenOptions {
  /** The name of this system where several systems share an engine: Temporal's namespace and task queue. */
  scope: string;
  logger: Logger;
  /** PATH, HOME, LANG and TZ of the worker, for agents that run on its host. */
  hostEnvironment: Variables;
  /** True for the command line, which describes instances but starts and ends none. */
  readOnly: boolean;
}

type SettingSchemas = Readonly<Record<string, z.ZodType>>;
type SpecSchema<Name extends string> = z.ZodObject<typeof commonSpecFields & { kind: z.ZodLiteral<Name> }>;

interface KindDefinition<Schema, Settings extends SettingSchemas> {
  /** The schema of `agents.runtime`, whose field `kind` is the name of the kind. */
  spec: Schema;
  /**
   * The schemas of the variables of the environment that the kind reads, each with `.meta({ description })`. A worker
   * without a required variable has no runtime of this kind.
   */
  settings: Settings;
  /** Loads the driver and opens the runtime. Programs that read only specs and settings never load a driver. */
  open(settings: z.infer<z.ZodObject<Settings>>, options: OpenOptions): Promise<Runtime<z.infer<Schema> & RuntimeSpec>>;
}

/** A kind of runtime, as `registry.ts` lists it. */
export interface RuntimeKind<Name extends string = string> {
  name: Name;
  spec: SpecSchema<Name>;
  settings: SettingSchemas;
  /** The name of a required variable that is not set. */
  findMissing(variables: Variables): string | undefined;
  open(variables: Variables, options: OpenOptions): Promise<Runtime>;
}

export function defineKind<Name extends string, Settings extends SettingSchemas, Schema extends SpecSchema<Name>>(
  definition: KindDefinition<Schema & SpecSchema<Name>, Settings>,
): RuntimeKind<Name> {
  const { spec, settings } = definition;
  const isMissing = (name: string, value?: string) => value === undefined && !settings[name]?.safeParse(value).success;
  return {
    name: spec.shape.kind.value,
    spec,
    settings,
    findMissing: (variables) => Object.keys(settings).find((name) => isMissing(name, variables[name])),
    open: (variables, options) => definition.open(z.object(settings).parse(variables), options),
  };
}
