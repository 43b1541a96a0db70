import { fileURLToPath } from 'node:url';

const below = (path: string): string => fileURLToPath(new URL(`../.stack/${path}`, import.meta.url));

/** Everything that the project keeps on disk, ignored by git. */
export const stackPaths = {
  /** Servers that had to be downloaded or built. */
  tools: below('bin'),
  /** Data and logs of the servers of `npm start`. */
  development: below('dev'),
  /** Instances that `npm start` runs. */
  agents: below('agents'),
};
