import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { asyncApi } from './asyncapi.ts';
import { catalogSections } from './catalog-page.ts';
import { globalRules } from './global-rules.ts';
import { publishedSchemas, schemaFile } from './json-schemas.ts';
import { fillSections } from './sections.ts';

export interface ContractDocument {
  /** Relative to the root of the repository. */
  path: string;
  content: string;
}

export const root = fileURLToPath(new URL('../../../', import.meta.url));

/** Generates every document. The text that people wrote around the generated sections is kept. */
export async function makeDocuments(): Promise<ContractDocument[]> {
  return Promise.all([
    ...publishedSchemas().map((contract) =>
      formatted(`docs/schemas/${schemaFile(contract)}`, JSON.stringify(contract.schema)),
    ),
    filled('docs/event-bus-contracts.md', catalogSections()).then(({ path, content }) => formatted(path, content)),
    formatted('docs/asyncapi.json', JSON.stringify(asyncApi())),
    filled('llms.txt', { contracts: globalRules() }),
  ]);
}

async function filled(path: string, sections: Record<string, string>): Promise<ContractDocument> {
  return { path, content: fillSections(path, await readFile(root + path, 'utf8'), sections) };
}

async function formatted(path: string, content: string): Promise<ContractDocument> {
  return { path, content: await format(content, { ...(await resolveConfig(root + path)), filepath: path }) };
}
