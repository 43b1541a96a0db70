import { chmodSync, mkdirSync } from 'node:fs';

/** Makes a folder that no other user can look into, and closes one that an earlier release left open. */
export function closedFolder(path: string): string {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  chmodSync(path, 0o700);
  return path;
}
