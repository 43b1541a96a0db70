import { stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';

const folder = fileURLToPath(new URL('../../docs/page/', import.meta.url));
/** A larger picture would weigh on the repository. */
export const largestBytes = 150 * 1024;

/** Takes a picture of the page for the documents. @returns its size in bytes */
export async function takePicture(page: Page, name: string): Promise<number> {
  const path = `${folder}${name}.png`;
  await page.screenshot({ path });
  return (await stat(path)).size;
}
