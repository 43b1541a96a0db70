import { existsSync, openSync, readFileSync, renameSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { closedFolder } from './closed-folder.ts';

export function logFileOf(directory: string, name: string): string {
  return resolve(directory, 'logs', `${name}.log`);
}

/** Opens a new log for writing; the log of the run before stays beside it as `<name>.log.1`. */
export function openLog(file: string): number {
  closedFolder(dirname(file));
  if (existsSync(file)) renameSync(file, `${file}.1`);
  return openSync(file, 'a', 0o600);
}

export function errorWithLog(message: string, file: string, { lines = 15 }: { lines?: number } = {}): Error {
  const text = existsSync(file) ? readFileSync(file, 'utf8').trimEnd() : '';
  const quote = text === '' ? '  (empty)' : text.split('\n').slice(-lines).join('\n').replaceAll(/^/gm, '  ');
  return new Error(`${message}\nThe last lines of ${file}:\n${quote}`);
}
