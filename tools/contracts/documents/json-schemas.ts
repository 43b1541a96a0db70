import { z } from 'zod';
import { catalog } from '../../../contracts/catalog.ts';
import { controlCommands } from '../../../contracts/control-commands.ts';
import { headerSchemas } from '../../../contracts/envelope.ts';
import { deploymentNotification, notification, rolloutNotification } from '../../../contracts/notification.ts';
import type { Versions } from '../../../contracts/versions.ts';

/** JSON Schema draft-07, which AsyncAPI and validators in every language read. */
export type JsonSchema = z.core.JSONSchema.BaseSchema;

export interface PublishedSchema {
  /** The name of the event or command, of what the triggers write, or `headers.` with the kind of message. */
  name: string;
  version: number;
  schema: JsonSchema;
  /** In the form on the wire. Headers have no example of their own. */
  example?: unknown;
}

export function publishedSchemas(): PublishedSchema[] {
  return [
    ...Object.entries(catalog).flatMap(([name, { versions }]) => published(name, `Event ${name}`, versions)),
    ...Object.entries(controlCommands).flatMap(([name, { versions }]) => published(name, `Command ${name}`, versions)),
    ...published('notification', "JSON of shared_psql's triggers", notification.versions),
    ...published('rollout_notification', 'JSON of the trigger of rollouts', rolloutNotification.versions),
    ...published('deployment_notification', 'JSON of the trigger of deployments', deploymentNotification.versions),
    ...Object.entries(headerSchemas).map(([name, schema]) => ({
      name,
      version: 1,
      schema: toJsonSchema(schema, `Headers of every ${name.slice('headers.'.length).replace('_', ' ')}`),
    })),
  ];
}

/** Whether the schema describes what a trigger writes, which is no message. */
export function isOfTrigger(name: string): boolean {
  return name.endsWith('notification');
}

/** The name of the file in `docs/schemas/`. */
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

/** Describes the form on the wire, before any transformation. Objects stay open, because readers ignore unknown fields. */
export function toJsonSchema(schema: z.ZodType, title?: string): JsonSchema {
  const { $schema, ...rest } = z.toJSONSchema(schema, { io: 'input', target: 'draft-7' });
  return { $schema, ...(title !== undefined && { title }), ...rest } as JsonSchema;
}
