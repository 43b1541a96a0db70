import { expect, test } from 'vitest';
import { z } from 'zod';
import type { JsonObject } from '../../../tools/contracts/compatibility/change.ts';
import { compareSchemas } from '../../../tools/contracts/compatibility/compare-schemas.ts';
import { checkRelease, type Contract } from '../../../tools/contracts/compatibility/check-release.ts';
import type { Released } from '../../../tools/contracts/compatibility/released.ts';

const documentOf = (schema: z.ZodType) => z.toJSONSchema(schema, { io: 'input', target: 'draft-7' }) as JsonObject;
const id = z.object({ id: z.guid() });
const withDrain = id.extend({ drain: z.boolean().optional() });

const contract = (version: number, schema: z.ZodType = id, rest: Partial<Contract> = {}): Contract => ({
  name: 'agent.retired',
  version,
  document: documentOf(schema),
  compare: compareSchemas,
  ...rest,
});
const released = (version: number, revision = 0, schema: z.ZodType = id): Released => ({
  name: 'agent.retired',
  version,
  revision,
  document: documentOf(schema),
});
const checkOne = (contracts: Contract[], documents: Released[]) => {
  const [check] = checkRelease(contracts, documents);
  return { ...check, text: check?.sentences.join('\n') ?? '' };
};

test('a contract that equals its newest revision is unchanged and has no sentences', () => {
  const checks = checkRelease([contract(1, withDrain)], [released(1), released(1, 1, withDrain)]);
  expect(checks).toEqual([{ name: 'agent.retired', version: 1, revision: 1, status: 'unchanged', sentences: [] }]);
});

test('a compatible change asks to be recorded, and names the command', () => {
  const { status, revision, text } = checkOne([contract(1, withDrain)], [released(1)]);
  expect({ status, revision }).toEqual({ status: 'compatible', revision: 0 });
  expect(text).toContain('agent.retired, version 1, against revision 0: `drain` is new and optional');
  expect(text).toContain('Record it: npm run contracts:generate');
});

test('a breaking change names contract, version, field and every way out', () => {
  const { status, text } = checkOne([contract(1, id.extend({ id: z.int() }))], [released(1)]);
  expect(status).toBe('breaking');
  expect(text).toContain('agent.retired, version 1, against revision 0: `id` was string and is integer now');
  expect(text).toContain(
    'Keep version 1 of agent.retired as it is and add version 2 with an upcaster (CONTRIBUTING.md, A breaking change)',
  );
  expect(text).toContain('or make the change compatible');
  expect(text).toContain('If revision 0 was never on the main branch, it may be taken back: git restore');
});

test('a contract may need something else for its next version', () => {
  const topology = contract(1, id.extend({ id: z.int() }), { nextNeeds: 'a migration of the broker' });
  expect(checkOne([topology], [released(1)]).text).toContain('add version 2 with a migration of the broker');
});

test('a change of an older version belongs after the newest', () => {
  const contracts = [contract(1, z.object({})), contract(2)];
  expect(checkOne(contracts, [released(1), released(2)]).text).toContain(
    'Keep version 1 of agent.retired as it is and add version 3',
  );
});

test('every revision counts: removing a field that only the second revision has is breaking', () => {
  const { status, text } = checkOne([contract(1)], [released(1), released(1, 1, withDrain)]);
  expect(status).toBe('breaking');
  expect(text).toContain('against revision 1: `drain` (optional) is gone');
});

test('a difference from several revisions is reported once', () => {
  const { text } = checkOne([contract(1, z.object({}))], [released(1), released(1, 1, id.describe('Prose.'))]);
  expect(text).toContain('against revision 0 and 1: `id` (required) is gone');
  expect(text.match(/is gone/g)).toHaveLength(1);
});

test('a first version and following versions are new, even several at once', () => {
  expect(checkRelease([contract(1), contract(2)], []).map(({ status }) => status)).toEqual(['new', 'new']);
  expect(checkRelease([contract(1), contract(2)], [released(1)]).map(({ status }) => status)).toEqual([
    'unchanged',
    'new',
  ]);
});

test('a version that leaves a gap is refused', () => {
  const [, third] = checkRelease([contract(1), contract(3)], [released(1)]);
  expect(third?.status).toBe('breaking');
  expect(third?.sentences).toEqual([
    'agent.retired, version 3 follows version 1: versions leave no gap, so make it version 2.',
  ]);
  expect(checkOne([contract(2)], []).text).toBe(
    'agent.retired, version 2 is the first one: versions leave no gap, so make it version 1.',
  );
});

test('a missing released version is refused, be it the newest, an older one or the only one', () => {
  const documents = [released(1), released(1, 1, withDrain), released(2)];
  const dropped = (contracts: Contract[]) =>
    checkRelease(contracts, documents).flatMap(({ status, version }) => (status === 'dropped' ? version : []));
  expect(dropped([contract(1, withDrain)])).toEqual([2]);
  expect(dropped([contract(2)])).toEqual([1]);
  expect(dropped([])).toEqual([1, 2]);
  expect(checkRelease([contract(2)], documents)[1]).toMatchObject({
    revision: 1,
    sentences: [expect.stringMatching(/version 1 was released and is no longer there.*bring it back in contracts/)],
  });
});

test('a version may be dropped when a next version replaces it', () => {
  const replaced = { replaces: true, nextNeeds: 'a migration of the broker' };
  expect(checkRelease([contract(2, withDrain, replaced)], [released(1)])).toMatchObject([
    { version: 2, status: 'new' },
  ]);
  expect(checkOne([contract(1, id.extend({ id: z.int() }), replaced)], [released(1)]).text).toContain(
    'Make it version 2 of agent.retired with a migration of the broker',
  );
});

test('a value that JSON does not keep is no difference', () => {
  const document = { ...documentOf(id), description: undefined };
  expect(checkOne([contract(1, id, { document })], [released(1)]).status).toBe('unchanged');
});

test('a version that is passed twice is a mistake', () => {
  expect(() => checkRelease([contract(1), contract(1)], [])).toThrow('agent.retired, version 1 is there twice');
});
