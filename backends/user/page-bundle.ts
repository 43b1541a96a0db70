import { build } from 'esbuild';
import { randomUUID } from 'node:crypto';
import { mkdir, readdir, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const source = fileURLToPath(new URL('./page/', import.meta.url));
const folder = fileURLToPath(new URL('../../dist/page/', import.meta.url));

/**
 * @returns the folder with the files that browsers load: index.html, page.js, page.css, icon.svg. `npm run build` makes them.
 * Where they are missing or older than their source, they are made now.
 */
export async function openPageBundle(): Promise<string> {
  const builtAt = await timeOfBuild();
  if (builtAt !== undefined && !(await isChangedSince(builtAt))) return folder;
  return buildPage().catch((error: NodeJS.ErrnoException) => {
    if (!unwritable.has(error.code)) throw error;
    // Code that the process may not write, e.g. in an image, is not being developed: the page that was built is the right one.
    if (builtAt !== undefined) return folder;
    throw new Error(`The page is not built: run \`npm run build\` as a user who may write ${folder}.`, {
      cause: error,
    });
  });
}

const unwritable: ReadonlySet<unknown> = new Set(['EACCES', 'ENOENT', 'EPERM', 'EROFS']);

/** Bundles the page, and returns the folder. */
export async function buildPage(): Promise<string> {
  const { outputFiles } = await build({
    absWorkingDir: source,
    entryPoints: [
      { in: 'main.tsx', out: 'page' },
      { in: 'styles/page.css', out: 'page' },
      { in: 'icon.svg', out: 'icon' },
      { in: 'index.html', out: 'index' },
    ],
    outdir: folder,
    write: false,
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    loader: { '.html': 'copy', '.svg': 'copy' },
    logLevel: 'silent',
  });
  await mkdir(folder, { recursive: true });
  // Another process may serve or bundle the page, so each file is replaced as a whole, and index.html, which dates them, last.
  const isIndex = ({ path }: { path: string }): number => Number(path.endsWith('.html'));
  for (const { path, contents } of outputFiles.toSorted((a, b) => isIndex(a) - isIndex(b))) {
    const unfinished = `${path}.${randomUUID()}`;
    await writeFile(unfinished, contents);
    await rename(unfinished, path);
  }
  return folder;
}

async function timeOfBuild(): Promise<number | undefined> {
  const index = await stat(join(folder, 'index.html')).catch(() => undefined);
  return index?.mtimeMs;
}

async function isChangedSince(time: number): Promise<boolean> {
  const files = await readdir(source, { recursive: true });
  const changes = await Promise.all(files.map(async (file) => (await stat(join(source, file))).mtimeMs));
  return changes.some((changedAt) => changedAt > time);
}
