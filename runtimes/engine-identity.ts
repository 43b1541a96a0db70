import { createHash } from 'node:crypto';

/**
 * The identity of an engine or a cluster as the host of one system: the same for every worker, and of the form of a name-based
 * uuid.
 */
export function identifyEngine(engineId: string, scope: string): string {
  const hex = createHash('sha256')
    .update(JSON.stringify([engineId, scope]))
    .digest('hex');
  const variant = ((Number.parseInt(hex.slice(16, 17), 16) & 0x3) | 0x8).toString(16);
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    `${variant}${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ].join('-');
}
