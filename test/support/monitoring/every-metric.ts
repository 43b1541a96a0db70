import { readdir } from 'node:fs/promises';
import { described, type Described } from '../../../metrics/define.ts';

const folder = new URL('../../../metrics/', import.meta.url);

/** Imports every module of metrics/, each of which defines its metrics. */
export async function importEveryMetric(): Promise<readonly Described[]> {
  const files = (await readdir(folder)).filter((file) => file.endsWith('.ts'));
  await Promise.all(files.map((file) => import(new URL(file, folder).href)));
  return described;
}
