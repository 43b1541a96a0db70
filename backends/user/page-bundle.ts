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
  return (await isBuilt()) ? folder : buildPage();
}

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

async function isBuilt(): Promise<boolean> {
  try {
    const { mtimeMs: builtAt } = await stat(join(folder, 'index.html'));
    const files = await readdir(source, { recursive: true });
    const changes = await Promise.all(files.map(async (file) => (await stat(join(source, file))).mtimeMs));
    return changes.every((changedAt) => changedAt <= builtAt);
  } catch {
    return false;
  }
}
