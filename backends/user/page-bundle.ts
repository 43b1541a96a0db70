import { build } from 'esbuild';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const source = fileURLToPath(new URL('./page/', import.meta.url));
const built = fileURLToPath(new URL('../../dist/page/', import.meta.url));

/** A folder with the files that browsers load: index.html, page.js, page.css, icon.svg. */
export interface PageBundle {
  folder: string;
  /** Removes the folder, if it is a temporary one. */
  remove: () => Promise<void>;
}

/** The page that `npm run build` made. Without one, or after a change of its source, the page is bundled now. */
export async function openPageBundle(): Promise<PageBundle> {
  if (await isBuilt()) return { folder: built, remove: async () => undefined };
  const folder = await mkdtemp(join(tmpdir(), 'page-'));
  await buildPage(folder);
  return { folder, remove: () => rm(folder, { recursive: true, force: true }) };
}

/** Bundles the page, and returns the folder. */
export async function buildPage(folder = built): Promise<string> {
  await build({
    absWorkingDir: source,
    entryPoints: [
      { in: 'main.tsx', out: 'page' },
      { in: 'styles/page.css', out: 'page' },
      { in: 'index.html', out: 'index' },
      { in: 'icon.svg', out: 'icon' },
    ],
    outdir: folder,
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    loader: { '.html': 'copy', '.svg': 'copy' },
    logLevel: 'silent',
  });
  return folder;
}

async function isBuilt(): Promise<boolean> {
  try {
    const { mtimeMs: builtAt } = await stat(join(built, 'index.html'));
    const files = await readdir(source, { recursive: true });
    const changes = await Promise.all(files.map(async (file) => (await stat(join(source, file))).mtimeMs));
    return changes.every((changedAt) => changedAt <= builtAt);
  } catch {
    return false;
  }
}
