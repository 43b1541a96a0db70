import { mkdtemp, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { stackRoot } from '../../stack/paths.ts';
import { compilePrograms } from './worker-programs.ts';

/** A text in a source file of the engine, and its replacement. */
export interface SourceChange {
  file: string;
  from: string;
  to: string;
}

/**
 * Compiles agents_worker with a change of its code, for `startWorkerProcess`.
 *
 * @throws when the file does not contain the text that the change replaces
 */
export async function compileChangedWorker({ file, from, to }: SourceChange) {
  const folder = await mkdtemp(join(resolve(stackRoot), 'changed-worker-'));
  let isChanged = false;
  await compilePrograms({
    outdir: folder,
    names: ['agents-worker'],
    change: (path, text) => {
      if (path !== file) return text;
      isChanged = text.includes(from);
      return text.replace(from, () => to);
    },
  });
  const remove = () => rm(folder, { recursive: true, force: true });
  if (!isChanged) {
    await remove();
    throw new Error(`${file} does not hold ${from}: correct the change`);
  }
  return { programs: folder, remove };
}
