import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Parser } from '@asyncapi/parser';
import { Ajv } from 'ajv';
import formats from 'ajv-formats';
import { expect, test } from 'vitest';
import { checkRelease } from '../../tools/contracts/compatibility/check-release.ts';
import { readReleased, releasedFolder } from '../../tools/contracts/compatibility/released.ts';
import { currentContracts } from '../../tools/contracts/documents/current-contracts.ts';
import { makeDocuments, root } from '../../tools/contracts/documents/documents.ts';
import { isOfTrigger, publishedSchemas } from '../../tools/contracts/documents/json-schemas.ts';

const documents = await makeDocuments();
/** The differences from released contracts. They cause stale documents, so the message names them first. */
const causes = checkRelease(currentContracts(), await readReleased(join(root, releasedFolder))).flatMap(
  ({ sentences }) => sentences,
);

test.each(documents)('$path is up to date with the contracts', async ({ path, content }) => {
  const file = await readFile(join(root, path), 'utf8').catch(() => '');
  const [lines, made] = [file.split('\n'), content.split('\n')];
  const first = made.findIndex((line, index) => line !== lines[index]);
  const stale =
    `${path} is stale: line ${first + 1} is "${lines[first] ?? ''}", and the contracts say "${made[first] ?? ''}": ` +
    `${causes.length > 0 ? 'after what is said above, ' : ''}run npm run contracts:generate`;
  expect(file === content ? '' : [...causes, stale].join('\n')).toBe('');
});

test('docs/schemas holds exactly the schemas of the contracts', async () => {
  const files = await readdir(join(root, 'docs/schemas'));
  const made = documents.map(({ path }) => path).filter((path) => path.startsWith('docs/schemas/'));
  expect(files.map((file) => `docs/schemas/${file}`).toSorted()).toEqual(made.toSorted());
});

test('the AsyncAPI document is accepted by the official parser without any warning', async () => {
  const made = documents.find(({ path }) => path === 'docs/asyncapi.json');
  const { document, diagnostics } = await new Parser().parse(made?.content ?? '');
  expect(diagnostics).toEqual([]);
  expect(
    document
      ?.allMessages()
      .map((message) => message.id())
      .toSorted(),
  ).toEqual(
    publishedSchemas()
      .filter(({ example }) => example !== undefined)
      .filter(({ name }) => !isOfTrigger(name))
      .map(({ name, version }) => `${name}.v${version}`)
      .toSorted(),
  );
});

test.each(publishedSchemas())(
  'the JSON Schema of $name, version $version, is a valid one, and its example is valid by it',
  ({ schema, example }) => {
    const ajv = new Ajv({ strict: true, strictRequired: false, allErrors: true });
    formats.default(ajv);
    const validate = ajv.compile(schema);
    if (example !== undefined) validate(example);
    expect(validate.errors ?? []).toEqual([]);
  },
);
