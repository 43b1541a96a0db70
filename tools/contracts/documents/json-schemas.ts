import { z } from 'zod';
import { catalog } from '../../../contracts/catalog.ts';
import { controlCommands } from '../../../contracts/control-commands.ts';
import { headerSchemas } from '../../../contracts/envelope.ts';
import { notification } from '../../../contracts/notification.ts';
import type { Versions } from '../../../contracts/versions.ts';

/** JSON Schema draft-07, which validators of every language read, and AsyncAPI too. */
export type JsonSchema = z.core.JSONSchema.BaseSchema;

export interface PublishedSchema {
  /** Of the event or command; `notification`; or `headers.` and the kind of message. */
  name: string;
  version: number;
  schema: JsonSchema;
  /** As on the wire; headers have none of their own. */
  example?: unknown;
}

/** Every kept version of every contract. */
export function publishedSchemas(): PublishedSchema[] {
  return [
    ...Object.entries(catalog).flatMap(([name, { versions }]) => published(name, `Event ${name}`, versions)),
    ...Object.entries(controlCommands).flatMap(([name, { versions }]) => published(name, `Command ${name}`, versions)),
    ...published('notification', "JSON of shared_psql's triggers", notification.versions),
    ...Object.entries(headerSchemas).map(([name, schema]) => ({
      name,
      version: 1,
      schema: toJsonSchema(schema, `Headers of every ${name.slice('headers.'.length).replace('_', ' ')}`),
    })),
  ];
}

/** Below `docs/schemas/`. */
export function schemaFile({ name, version }: { name: string; version: number }): string {
  return `${name}.v${version}.json`;
}

function published(name: string, title: string, { kept }: Versions<unknown>): PublishedSchema[] {
  return kept.map(({ version, schema, example }) => ({
    name,
    version,
    schema: toJsonSchema(schema, `${title}, version ${version}`),
    example,
  }));
}

/** As it is on the wire, before any transformation; objects stay open, since readers ignore what they do not know. */
export function toJsonSchema(schema: z.ZodType, title?: string): JsonSchema {
  const { $schema, ...rest } = z.toJSONSchema(schema, { io: 'input', target: 'draft-7' });
  return { $schema, ...(title !== undefined && { title }), ...rest } as JsonSchema;
}
