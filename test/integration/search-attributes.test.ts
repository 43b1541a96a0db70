import { Connection } from '@temporalio/client';
import { afterAll, beforeAll, expect, inject, test, vi } from 'vitest';
import { FatalError } from '../../supervision/errors.ts';
import { searchAttributeNames } from '../../contracts/names.ts';
import { ensureSearchAttributes } from '../../workers/services/search-attributes.ts';
import { createNamespace } from '../support/namespaces.ts';

const types = { text: 1, keyword: 2, int: 3 };
let connection: Connection;

beforeAll(async () => {
  connection = await Connection.connect({ address: inject('servers').temporalAddress });
}, 60_000);

afterAll(() => connection.close());

const typesIn = async (namespace: string) =>
  (await connection.operatorService.listSearchAttributes({ namespace })).customAttributes;

test('search attributes that are missing are registered as keywords, by two workers at once as well', async () => {
  const namespace = await createNamespace(connection);
  await Promise.all([ensureSearchAttributes(connection, namespace), ensureSearchAttributes(connection, namespace)]);
  const wanted = Object.fromEntries(Object.values(searchAttributeNames).map((name) => [name, types.keyword]));
  await vi.waitFor(async () => expect(await typesIn(namespace)).toMatchObject(wanted), { timeout: 60_000 });
}, 180_000);

test.each([
  [searchAttributeNames.userId, 'Int', types.int],
  [searchAttributeNames.status, 'Text', types.text],
  [searchAttributeNames.statusReason, 'Text', types.text],
  [searchAttributeNames.agentId, 'Int', types.int],
])(
  '%s that exists as %s is fatal, and the error says how to register it anew',
  async (name, typeName, type) => {
    const namespace = await createNamespace(connection);
    await connection.operatorService.addSearchAttributes({ namespace, searchAttributes: { [name]: type } });
    await vi.waitFor(async () => expect(await typesIn(namespace)).toMatchObject({ [name]: type }), { timeout: 60_000 });
    const error: unknown = await ensureSearchAttributes(connection, namespace).catch((refusal: unknown) => refusal);
    expect(error).toBeInstanceOf(FatalError);
    const { message } = error as FatalError;
    expect(message).toContain(`${name} is ${typeName}`);
    expect(message).toContain(`search-attribute remove --namespace ${namespace} --name ${name}`);
    expect(message).toContain(`search-attribute create --namespace ${namespace} --name ${name} --type Keyword`);
  },
  180_000,
);
