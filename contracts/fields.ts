import { z } from 'zod';

/** Kinds of fields that all contracts share. */

/** Any id that PostgreSQL takes for a UUID, whatever its version bits say. */
export function id(description: string) {
  return z.guid().meta({ description });
}

/** UTC, as in `2025-01-01T12:00:00.000Z`. */
export function timestamp(description: string) {
  return z.iso.datetime('Must be a time in UTC, as 2025-01-01T12:00:00.000Z').meta({ description });
}

/** An object, passed on as it is: a copy of its entries, as of `z.record`, would leave out one that is named `__proto__`. */
export function json(description: string): z.ZodType<Record<string, unknown>> {
  const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null && !Array.isArray(value);
  const schema = z.unknown().refine(isObject, 'Invalid input: expected object');
  const published = { type: 'object', propertyNames: { type: 'string' }, additionalProperties: {} };
  return schema.meta({ ...published, description }) as z.ZodType<Record<string, unknown>>;
}
