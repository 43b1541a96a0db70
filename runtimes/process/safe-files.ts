import {
  chmodSync,
  closeSync,
  constants,
  fchownSync,
  fstatSync,
  lstatSync,
  openSync,
  readSync,
  renameSync,
  type Stats,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from './error-code.ts';

const { O_APPEND, O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_NOCTTY, O_RDONLY, O_WRONLY } = constants;

/*
 * The files are small and on a disk of this host, so the system calls here are synchronous: in Node.js, an asynchronous one takes several
 * times the CPU time. Only what an agent may have filled is removed asynchronously.
 */

/** An agent replaced a regular file with something else, or with a file that is too large. */
export class UnsafeFile extends Error {
  override name = 'UnsafeFile';
}

/**
 * Gives the work paths of entries in a folder. On Linux, the paths stay in the opened folder even when its name is moved to
 * something else. A link in place of the folder is refused; other systems check that only at the start.
 */
export async function inFolder<T>(path: string, work: (entry: (name: string) => string) => T | Promise<T>): Promise<T> {
  const folder = openFolder(path);
  try {
    const base = process.platform === 'linux' ? `/proc/self/fd/${folder}` : path;
    return await work((name) => join(base, name));
  } finally {
    closeSync(folder);
  }
}

/**
 * Reads a regular file.
 * @throws UnsafeFile when it is not a regular file or too large; ENOENT
 */
export function readText(file: string, maxBytes: number): string {
  return withRegular(file, (opened, { size }) => {
    if (size > maxBytes) throw new UnsafeFile(`The file has ${size} bytes; the limit is ${maxBytes}.`);
    return readFrom(opened, 0, size);
  });
}

/**
 * Reads the end of a regular file, and when the file was last written.
 * @throws UnsafeFile when it is not a regular file; ENOENT
 */
export function readEnd(file: string, maxBytes: number): { text: string; at: Date } {
  return withRegular(file, (opened, { size, mtime }) => {
    const position = Math.max(0, size - maxBytes);
    return { text: readFrom(opened, position, size - position), at: mtime };
  });
}

/** Replaces the path with a new, empty file to append to. Only its user can read the file. @returns the opened file */
export async function createFile(file: string): Promise<number> {
  const create = (): number => openSync(file, O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  try {
    return create();
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error;
    await remove(file);
    return create();
  }
}

/** Replaces the path with a whole file, so that a crash never leaves half of one. */
export async function replaceFile(file: string, content: string, owner?: number): Promise<void> {
  const draft = `${file}.new`;
  const opened = await createFile(draft);
  try {
    writeFileSync(opened, content);
    if (owner !== undefined) fchownSync(opened, owner, owner);
  } finally {
    closeSync(opened);
  }
  await renameOver(draft, file);
}

/** Renames a path over another one, which may be a folder. Links are not followed. */
export async function renameOver(from: string, to: string): Promise<void> {
  // `lstat` tells a link to a folder from a folder.
  const inTheWay = lstatSync(to, { throwIfNoEntry: false });
  if (inTheWay && !inTheWay.isFile()) await remove(to);
  renameSync(from, to);
}

/** Removes what is at the path, if anything: a file, a link, or a folder with all it holds. */
export async function remove(path: string): Promise<void> {
  try {
    unlinkSync(path);
  } catch (error) {
    // It is a folder, which may hold a lot.
    if (errorCode(error) !== 'ENOENT') await rm(path, { recursive: true, force: true });
  }
}

/** A handler for `catch` that swallows ENOENT and throws every other error. */
export function unlessMissing(error: unknown): undefined {
  if (errorCode(error) !== 'ENOENT') throw error;
}

function openFolder(path: string): number {
  const flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK;
  try {
    return openSync(path, flags);
  } catch (error) {
    // An agent that runs as the worker's user can remove the right to read the folder.
    if (errorCode(error) !== 'EACCES' || !lstatSync(path).isDirectory()) throw error;
    chmodSync(path, 0o700);
    return openSync(path, flags);
  }
}

function withRegular<T>(file: string, work: (opened: number, stats: Stats) => T): T {
  const opened = openRegular(file);
  try {
    const stats = fstatSync(opened);
    if (!stats.isFile()) throw notRegular();
    return work(opened, stats);
  } finally {
    closeSync(opened);
  }
}

function openRegular(file: string): number {
  try {
    return openSync(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
  } catch (error) {
    // The path is a link or a socket.
    if (['ELOOP', 'EMLINK', 'ENXIO', 'EOPNOTSUPP'].includes(errorCode(error) ?? '')) throw notRegular(error);
    throw error;
  }
}

function readFrom(opened: number, position: number, length: number): string {
  const buffer = Buffer.allocUnsafe(length);
  let filled = 0;
  while (filled < length) {
    const bytesRead = readSync(opened, buffer, filled, length - filled, position + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.toString('utf8', 0, filled);
}

function notRegular(cause?: unknown): UnsafeFile {
  return new UnsafeFile('The path is not a regular file.', { cause });
}
