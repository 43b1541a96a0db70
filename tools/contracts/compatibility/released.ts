import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join, sep } from 'node:path';
import type { JsonObject } from './change.ts';

export const releasedFolder = 'contracts/released';

/** A released document. Its file is `<name>/<version>.<revision>.json` and never changes. */
export interface Released {
  name: string;
  /** Counts from 1. A breaking change needs the next version. */
  version: number;
  /** Counts from 0. A compatible change makes the next revision. */
  revision: number;
  document: JsonObject;
}

/** Has a line `<sha256>  <file>` for each document, as `sha256sum -c` reads it. */
export const digestsFile = 'SHA256SUMS';

/**
 * Reads every document in the folder; without the folder, there is none.
 *
 * @throws Error with every problem: a file that SHA256SUMS does not list, that is missing, or that differs from its digest; a
 *   gap between versions or revisions
 */
export async function readReleased(directory: string): Promise<Released[]> {
  const [files, digests] = await Promise.all([filesIn(directory), readDigests(directory)]);
  const contents = new Map(
    await Promise.all(files.map(async (file) => [file, await readFile(join(directory, file))] as const)),
  );
  const problems = [
    ...files.filter((file) => !digests.has(file)).map((file) => notListed(file)),
    ...[...digests.keys()].filter((file) => !contents.has(file)).map((file) => missing(file)),
    ...[...contents]
      .filter(([file, bytes]) => digests.has(file) && digests.get(file) !== digestOf(bytes))
      .map(
        ([file]) =>
          `${releasedFolder}/${file} was released and must not change: git checkout ${releasedFolder}/${file}`,
      ),
  ];
  const released = problems.length > 0 ? [] : [...contents].map(([file, bytes]) => parse(file, bytes));
  const all = [...problems, ...gapsIn(released)];
  if (all.length > 0) throw new Error(all.join('\n'));
  return released.toSorted(inOrder);
}

export function fileOf({ name, version, revision }: Omit<Released, 'document'>): string {
  return `${name}/${version}.${revision}.json`;
}

export function digestOf(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}

const documentFile = /^(?<name>\w[\w.-]*)\/(?<version>[1-9]\d*)\.(?<revision>0|[1-9]\d*)\.json$/;

export function isDocumentFile(file: string): boolean {
  return documentFile.test(file);
}

async function filesIn(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true }).catch(orNothing([]));
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(join(directory, sep).length).replaceAll(sep, '/'))
    .filter((file) => file !== digestsFile)
    .toSorted();
}

async function readDigests(directory: string): Promise<Map<string, string>> {
  const text = await readFile(join(directory, digestsFile), 'utf8').catch(orNothing(''));
  const lines = text.split('\n').filter((line) => line !== '');
  return new Map(
    lines.map((line) => {
      const [, digest, file] = /^([0-9a-f]{64}) {2}(.+)$/.exec(line) ?? [];
      if (digest !== undefined && file !== undefined) return [file, digest];
      throw new Error(
        `${releasedFolder}/${digestsFile} has a line that is no digest of a file: ${line}\n` +
          `Of a merge, keep the lines of both sides; otherwise: git checkout ${releasedFolder}/${digestsFile}`,
      );
    }),
  );
}

function orNothing<Nothing>(nothing: Nothing): (error: NodeJS.ErrnoException) => Nothing {
  return (error) => {
    if (error.code === 'ENOENT') return nothing;
    throw error;
  };
}

function notListed(file: string): string {
  const path = `${releasedFolder}/${file}`;
  if (!isDocumentFile(file)) return `${path} is no <name>/<version>.<revision>.json: move it out of ${releasedFolder}`;
  return `${path} is not listed in ${digestsFile}: remove it if it was never released, or git checkout ${releasedFolder}/${digestsFile}`;
}

function missing(file: string): string {
  return `${releasedFolder}/${file} was released and is missing: git checkout ${releasedFolder}/${file}`;
}

function parse(file: string, bytes: Uint8Array): Released {
  const { name = '', version, revision } = documentFile.exec(file)?.groups ?? {};
  const document = JSON.parse(new TextDecoder().decode(bytes)) as JsonObject;
  return { name, version: Number(version), revision: Number(revision), document };
}

function gapsIn(released: readonly Released[]): string[] {
  const files = new Set(released.map(fileOf));
  return released.flatMap((document) => {
    const { name, version, revision } = document;
    const before =
      revision > 0 ? { name, version, revision: revision - 1 } : { name, version: version - 1, revision: 0 };
    if (before.version === 0 || files.has(fileOf(before))) return [];
    return [
      `${releasedFolder}/${fileOf(document)} follows ${fileOf(before)}, which is not there: ` +
        `git checkout ${releasedFolder}, or remove what was never released`,
    ];
  });
}

function inOrder(one: Released, other: Released): number {
  if (one.name !== other.name) return one.name < other.name ? -1 : 1;
  return one.version - other.version || one.revision - other.revision;
}
