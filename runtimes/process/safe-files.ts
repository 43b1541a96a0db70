import { constants } from 'node:fs';
import { chmod, lstat, open, rename, rm } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from './error-code.ts';

const { O_APPEND, O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_NOCTTY, O_RDONLY, O_WRONLY } = constants;

/** An agent replaced a regular file with something else, or with a file that is too large. */
export class UnsafeFile extends Error {
  override name = 'UnsafeFile';
}

/**
 * Gives the work paths of entries in a folder. On Linux, the paths stay in the opened folder even when its name is moved to
 * something else. A link in place of the folder is refused; other systems check that only at the start.
 */
export async function inFolder<T>(path: string, work: (entry: (name: string) => string) => Promise<T>): Promise<T> {
  const folder = await openFolder(path);
  try {
    const base = process.platform === 'linux' ? `/proc/self/fd/${folder.fd}` : path;
    return await work((name) => join(base, name));
  } finally {
    await folder.close();
  }
}

/**
 * Reads a regular file.
 * @throws UnsafeFile when it is not a regular file or too large; ENOENT
 */
export async function readText(file: string, maxBytes: number): Promise<string> {
  return withRegular(file, async (handle, { size }) => {
    if (size > maxBytes) throw new UnsafeFile(`The file has ${size} bytes; the limit is ${maxBytes}.`);
    return readFrom(handle, 0, maxBytes);
  });
}

/**
 * Reads the end of a regular file, and when the file was last written.
 * @throws UnsafeFile when it is not a regular file; ENOENT
 */
export async function readEnd(file: string, maxBytes: number): Promise<{ text: string; at: Date }> {
  return withRegular(file, async (handle, { size, mtime }) => ({
    text: await readFrom(handle, Math.max(0, size - maxBytes), maxBytes),
    at: mtime,
  }));
}

/** Replaces the path with a new, empty file to append to. Only its user can read the file. */
export async function createFile(file: string): Promise<FileHandle> {
  await rm(file, { recursive: true, force: true });
  return open(file, O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
}

/** Replaces the path with a whole file, so that a crash never leaves half of one. */
export async function replaceFile(file: string, content: string, owner?: number): Promise<void> {
  const draft = `${file}.new`;
  const handle = await createFile(draft);
  try {
    await handle.writeFile(content);
    if (owner !== undefined) await handle.chown(owner, owner);
  } finally {
    await handle.close();
  }
  await renameOver(draft, file);
}

/** Renames a path over another one, which may be a folder. Links are not followed. */
export async function renameOver(from: string, to: string): Promise<void> {
  // `lstat` tells a link to a folder from a folder.
  const inTheWay = await lstat(to).catch(unlessMissing);
  if (inTheWay && !inTheWay.isFile()) await rm(to, { recursive: true, force: true });
  await rename(from, to);
}

/** A handler for `catch` that swallows ENOENT and throws every other error. */
export function unlessMissing(error: unknown): undefined {
  if (errorCode(error) !== 'ENOENT') throw error;
}

async function openFolder(path: string): Promise<FileHandle> {
  const flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK;
  try {
    return await open(path, flags);
  } catch (error) {
    // An agent that runs as the worker's user can remove the right to read the folder.
    if (errorCode(error) !== 'EACCES' || !(await lstat(path)).isDirectory()) throw error;
    await chmod(path, 0o700);
    return open(path, flags);
  }
}

interface Stats {
  size: number;
  mtime: Date;
}

async function withRegular<T>(file: string, work: (handle: FileHandle, stats: Stats) => Promise<T>): Promise<T> {
  const handle = await open(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY).catch((error: unknown) => {
    // The path is a link or a socket.
    if (['ELOOP', 'EMLINK', 'ENXIO', 'EOPNOTSUPP'].includes(errorCode(error) ?? '')) throw notRegular(error);
    throw error;
  });
  try {
    const stats = await handle.stat();
    if (!stats.isFile()) throw notRegular();
    return await work(handle, stats);
  } finally {
    await handle.close();
  }
}

async function readFrom(handle: FileHandle, position: number, maxBytes: number): Promise<string> {
  const buffer = Buffer.alloc(maxBytes);
  let filled = 0;
  for (;;) {
    const { bytesRead } = await handle.read({ buffer, offset: filled, position: position + filled });
    filled += bytesRead;
    if (bytesRead === 0 || filled === maxBytes) return buffer.toString('utf8', 0, filled);
  }
}

function notRegular(cause?: unknown): UnsafeFile {
  return new UnsafeFile('The path is not a regular file.', { cause });
}
