import { afterAll, beforeAll } from 'vitest';

/** To close may take long: hundreds of workflows of a rig are replayed one after the other. */
const closeTimeoutMs = 300_000;

/**
 * Opens a resource before the first test of a file, or of a `describe`, and closes it after the last one.
 *
 * The returned object gets the properties of the resource when it opens. Read them in tests and hooks alone.
 */
export function useOpened<Opened extends object>(
  open: () => Promise<Opened>,
  close: (opened: Opened) => Promise<void>,
): Opened {
  const properties = {} as Opened;
  let opened: Opened | undefined;
  beforeAll(async () => {
    opened = await open();
    Object.assign(properties, opened);
  });
  afterAll(async () => {
    if (opened) await close(opened);
  }, closeTimeoutMs);
  return properties;
}
