import { z } from 'zod';
import { versionPolicies } from './names.ts';

/** A UUID as PostgreSQL accepts it, with any version bits. */
export function id(description: string) {
  return z.guid().meta({ description });
}

/** The host of an instance, as a field that older messages and log entries lack. */
export const hostId = z
  .guid()
  .nullable()
  .meta({
    description:
      'Host on which the agent runs or may run; null if the instance has no host. Messages that are older than hosts lack it.',
  })
  .optional();

/** The version of an agent, as a field that older messages and log entries lack. */
const version = z.string().min(1).nullable();
const lackedBefore = 'Messages that are older than versions lack it.';
export const agentVersion = version
  .meta({ description: `Version that the instance is to run; null if its agent is not published. ${lackedBefore}` })
  .optional();
export const runningVersion = version
  .meta({ description: `Version that runs; null if none does. ${lackedBefore}` })
  .optional();
export const stableVersion = version
  .meta({ description: `Version that new instances of the agent get. ${lackedBefore}` })
  .optional();
export const versionPolicy = z
  .enum(versionPolicies)
  .meta({
    description: `Whether rollouts change the version of the instance (\`follow\`) or leave it (\`hold\`). ${lackedBefore}`,
  })
  .optional();

/** A time in UTC, e.g. `2025-01-01T12:00:00.000Z`. */
export function timestamp(description: string) {
  return z.iso.datetime('Must be a time in UTC, as 2025-01-01T12:00:00.000Z').meta({ description });
}

/** An object that is passed on unchanged. `z.record` would copy its entries, and so lose one named `__proto__`. */
export function json(description: string): z.ZodType<Record<string, unknown>> {
  const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null && !Array.isArray(value);
  const schema = z.unknown().refine(isObject, 'Invalid input: expected object');
  const published = { type: 'object', propertyNames: { type: 'string' }, additionalProperties: {} };
  return schema.meta({ ...published, description }) as z.ZodType<Record<string, unknown>>;
}
