import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { format } from 'prettier';
import { publishedSchemas, schemaFile } from './json-schemas.ts';

export interface ContractDocument {
  /** From the root of the repository. */
  path: string;
  content: string;
}

export const root = fileURLToPath(new URL('../../', import.meta.url));

/** Every file that is made from the contracts, as it should be. */
export async function makeDocuments(): Promise<ContractDocument[]> {
  const documents: ContractDocument[] = [
    ...publishedSchemas().map(({ schema, ...contract }) => ({
      path: `docs/schemas/${schemaFile(contract)}`,
      content: JSON.stringify(schema),
    })),
  ];
  return Promise.all(documents.map(async ({ path, content }) => ({ path, content: await formatted(path, content) })));
}

async function formatted(path: string, content: string): Promise<string> {
  return format(content, {
    filepath: path,
    ...(JSON.parse(await readFile(`${root}.prettierrc.json`, 'utf8')) as object),
  });
}
