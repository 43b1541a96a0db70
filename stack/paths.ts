import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Everything that the project keeps on disk, ignored by git. */
export const stackRoot = fileURLToPath(new URL('../.stack', import.meta.url));

/** Keeps servers that had to be downloaded or built, for all stacks. */
export const toolsDirectory = resolve(stackRoot, 'bin');

/** Data and logs of `npm start`. */
export function developmentDirectory(given: string | undefined): string {
  return given === undefined ? resolve(stackRoot, 'dev') : resolve(given);
}

export function agentsDirectory(stackDirectory: string): string {
  return resolve(stackDirectory, 'agents');
}
