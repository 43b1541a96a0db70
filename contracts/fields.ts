import { z } from 'zod';

/** Kinds of fields that all contracts share. */

/** Any id that PostgreSQL takes for a UUID, whatever its version bits say. */
export function id(description: string) {
  return z.guid().meta({ description });
}

/** UTC, as in `2025-01-01T12:00:00.000Z`. */
export function timestamp(description: string) {
  return z.iso.datetime().meta({ description });
}

export function json(description: string) {
  return z.record(z.string(), z.unknown()).meta({ description });
}
