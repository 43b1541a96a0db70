import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { openAmqp } from '../../bridge/bus/connection.ts';
import { applyAccounts, type ChangedPermissions } from '../../bridge/topology-check/apply-accounts.ts';
import { checkAccounts, type AccountFinding } from '../../bridge/topology-check/check-accounts.ts';
import { assertTopology, nameOf } from '../../bridge/bus/topology.ts';
import { accountNames, allPermissions } from '../../contracts/access.ts';
import { passwordVariable } from '../../configuration/secrets.ts';
import { contractsCheck } from '../support/contracts-check.ts';
import { openVirtualHost } from '../support/virtual-host.ts';

/** Users of a test's own in place of the services', on a virtual host of its own. */
async function openAccounts() {
  const host = await openVirtualHost();
  const prefix = `test_${randomUUID()}_`;
  const named = Object.entries(allPermissions()).map(([name, rights]) => [prefix + name, rights] as const);
  const accounts = Object.fromEntries(named);
  const names = Object.keys(accounts);
  const strangers: string[] = [];
  const outline = (found: readonly AccountFinding[]) =>
    found
      .filter(({ harmless }) => !harmless)
      .map(({ kind, object, property }) => `${kind} ${nameOf(object)} ${property ?? ''}`.trim().replace(prefix, ''));
  return {
    ...host,
    accounts,
    userOf: (service: string) => prefix + service,
    setRights: (user: string, rights: object) => host.management('PUT', `permissions/${host.name}/${user}`, rights),
    check: async () => outline(await checkAccounts({ ...host, accounts })),
    /** Of strangers: whoever made the virtual host has rights in it, too. */
    findings: async () =>
      (await checkAccounts({ ...host, accounts })).filter(({ object }) => strangers.includes(object.name)),
    apply: async (
      created: string[] = [],
      passwords = Object.fromEntries(names.map((name) => [name, 'secret'])),
      changed: ChangedPermissions[] = [],
    ) =>
      outline(
        await applyAccounts({
          ...host,
          accounts,
          passwords,
          passwordSetting: (name) => passwordVariable(name, 'AMQP'),
          onCreated: (object) => created.push(nameOf(object).replace(prefix, '')),
          onChanged: (change) => changed.push(change),
        }),
      ),
    /** Somebody else with rights in the virtual host. */
    letIn: async (rights: object, tags = '') => {
      const stranger = `stranger-${randomUUID()}`;
      strangers.push(stranger);
      await host.management('PUT', `users/${stranger}`, { password: 'secret', tags });
      await host.management('PUT', `permissions/${host.name}/${stranger}`, rights);
      return stranger;
    },
    [Symbol.asyncDispose]: async () => {
      for (const name of [...names, ...strangers]) {
        await host.management('DELETE', `users/${name}`).catch(() => undefined);
      }
      await host[Symbol.asyncDispose]();
    },
  };
}

describe.concurrent('the accounts', () => {
  test('are missing, are created with what the catalog says, and then agree', async () => {
    await using host = await openAccounts();
    const missing = accountNames.flatMap((name) => [`user ${name}`, `permissions of user ${name}`]);
    expect(await host.check()).toEqual(missing.map((object) => `missing ${object}`));
    const created: string[] = [];
    expect(await host.apply(created)).toEqual([]);
    expect(created).toEqual(missing);
    expect(await host.check()).toEqual([]);
    expect(await host.apply(created)).toEqual([]);
    expect(created).toEqual(missing);
  });

  test('of which a user has no rights in this virtual host get them, and keep their passwords', async () => {
    await using host = await openAccounts();
    await host.apply();
    const user = host.userOf('event_broker');
    await host.management('DELETE', `permissions/${host.name}/${user}`);
    expect(await host.check()).toEqual(['missing permissions of user event_broker']);
    const created: string[] = [];
    expect(await host.apply(created, {})).toEqual([]);
    expect(created).toEqual(['permissions of user event_broker']);
    const amqpUrl = Object.assign(new URL(host.amqpUrl), { username: user, password: 'secret' }).href;
    const amqp = await openAmqp({ amqpUrl, connectionName: user });
    await assertTopology(await amqp.openSeparateChannel(), 'event_broker');
    await amqp.close();
  });

  test('whose passwords are not given are named together, and nothing is created', async () => {
    await using host = await openAccounts();
    const created: string[] = [];
    const passwords = { [host.userOf('event_broker')]: 'secret' };
    await expect(host.apply(created, passwords)).rejects.toThrow(
      /AGENTS_WORKER_AMQP_PASSWORD, .*USER_BACKEND_AMQP_PASSWORD, .*ADMIN_BACKEND_AMQP_PASSWORD, .*AGENTS_AMQP_PASSWORD$/,
    );
    expect(created).toEqual([]);
  });

  test('of an earlier release get the rights of this one, and it says what changed; strangers, passwords and tags stay', async () => {
    await using host = await openAccounts();
    await host.apply();
    const [user, administrator] = [host.userOf('user_backend'), host.userOf('admin_backend')];
    const wanted = host.accounts[user];
    await host.setRights(user, { configure: '', write: '.*', read: wanted?.read });
    const stranger = await host.letIn({ configure: '', write: '', read: '.*' });
    await host.management('PUT', `users/${administrator}`, { password: 'secret', tags: 'administrator' });
    const tags = 'different user admin_backend tags';
    expect(await host.check()).toEqual([
      'different permissions of user user_backend configure',
      'different permissions of user user_backend write',
      tags,
    ]);
    const changed: ChangedPermissions[] = [];
    // No password is needed where no user is missing.
    expect(await host.apply([], {}, changed)).toEqual([tags]);
    expect(changed).toEqual([
      {
        object: { type: 'permissions', name: user },
        properties: [
          { property: 'configure', before: '', after: wanted?.configure },
          { property: 'write', before: '.*', after: wanted?.write },
        ],
      },
    ]);
    expect(await host.apply([], {}, changed)).toEqual([tags]);
    expect(changed).toHaveLength(1);
    expect((await host.findings()).map(({ object, actual }) => [object.name, actual])).toEqual([
      [stranger, { configure: '', write: '', read: '.*' }],
    ]);
    const amqpUrl = Object.assign(new URL(host.amqpUrl), { username: user, password: 'secret' }).href;
    await (await openAmqp({ amqpUrl, connectionName: user })).close();
  });

  test('of strangers are harmless, unless one may publish where a service alone does', async () => {
    await using host = await openAccounts();
    await host.apply();
    await host.letIn({ configure: '', write: '', read: '.*' });
    await host.letIn({ configure: '.*', write: '.*', read: '.*' }, 'administrator');
    expect((await host.findings()).map(({ harmless }) => harmless)).toEqual([true, true]);
    const stranger = await host.letIn({ configure: '', write: '^events', read: '' });
    expect((await host.findings()).filter(({ harmless }) => !harmless)).toEqual([
      expect.objectContaining({
        kind: 'extra',
        object: { type: 'permissions', name: stranger },
        wayOut: 'Narrow what it may write: it can publish to events.topic, as only one service should.',
      }),
    ]);
  });
});

// Users are the server's: these are there once.
test('npm run contracts:check -- --accounts names what is missing, --apply creates it', async () => {
  await using host = await openVirtualHost();
  const environment = { AMQP_URL: host.amqpUrl, RABBITMQ_MANAGEMENT_URL: host.managementUrl };
  const passwords = Object.fromEntries(accountNames.map((name) => [passwordVariable(name, 'AMQP'), 'secret']));
  const before = await contractsCheck(['--accounts'], environment);
  expect(before.output).toMatch(/^missing {4}permissions of user event_broker: .*--apply --accounts\.$/m);
  expect(before.exitCode).toBe(1);

  const applied = await contractsCheck(['--accounts', '--apply'], { ...environment, ...passwords });
  const users = [...applied.output.matchAll(/^created {4}user (.*)$/gm)].map(([, user = '']) => user);
  try {
    expect(applied.output).toMatch(/^created {4}permissions of user admin_backend$/m);
    expect(applied.output).toMatch(/^AGREES: 0 missing, 0 different/m);
    expect(applied.exitCode).toBe(0);
    const older = { configure: '^$', write: '.*', read: '^$' };
    await host.management('PUT', `permissions/${host.name}/event_broker`, older);
    const upgraded = await contractsCheck(['--accounts', '--apply', '--json'], environment);
    expect(JSON.parse(upgraded.output)).toMatchObject({
      agrees: true,
      counts: { missing: 0, different: 0 },
      created: [],
      changed: [
        {
          object: { type: 'permissions', name: 'event_broker' },
          properties: [
            { property: 'configure', before: '^$' },
            { property: 'write', before: '.*' },
            { property: 'read', before: '^$' },
          ],
        },
      ],
    });
  } finally {
    await Promise.all(users.map((user) => host.management('DELETE', `users/${user}`)));
  }
});

test('a user who is no administrator is told to be one', async () => {
  await using host = await openVirtualHost();
  const username = `user-${randomUUID()}`;
  await host.management('PUT', `users/${username}`, { password: 'secret', tags: 'management' });
  await host.management('PUT', `permissions/${host.name}/${username}`, { configure: '', write: '', read: '' });
  const managementUrl = Object.assign(new URL(host.managementUrl), { username, password: 'secret' }).href;
  await expect(checkAccounts({ amqpUrl: host.amqpUrl, managementUrl })).rejects.toThrow(/the tag administrator/);
  await host.management('DELETE', `users/${username}`);
});
