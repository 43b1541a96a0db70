import { readFile } from 'node:fs/promises';

/** The only block of code in a language that a page of the documentation has, so that a test runs what the page says. */
export async function readDocumented(page: string, language: string): Promise<string> {
  const text = await readFile(new URL(`../../../${page}`, import.meta.url), 'utf8');
  const blocks = [...text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms'))].map(
    ([, block = '']) => block,
  );
  const [block] = blocks;
  if (block === undefined || blocks.length > 1) throw new Error(`${page} has ${blocks.length} blocks of ${language}`);
  return block;
}
