import { vi } from 'vitest';

/** Vitest gives up after one second, which anything can take where test files with servers share two cores. */
const patience = { timeout: 20_000 };

const { waitFor, waitUntil } = vi;

vi.waitFor = (callback, options) => waitFor(callback, withPatience(options));
vi.waitUntil = (callback, options) => waitUntil(callback, withPatience(options));

function withPatience(options: number | object | undefined) {
  return typeof options === 'number' ? { timeout: options } : { ...patience, ...options };
}
