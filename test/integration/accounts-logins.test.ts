import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { expect, test } from 'vitest';
import { serviceNames } from '../../contracts/access.ts';
import { setServiceLogins } from '../../database/service-logins.ts';
import { readGivenServers } from '../../configuration/given-servers.ts';
import { passwordVariable } from '../../configuration/secrets.ts';
import { useRig } from '../support/rig.ts';
import { startWorkerProcess } from '../support/worker-process.ts';

const isGiven = readGivenServers().databaseUrl !== undefined;
const rig = useRig();

async function userOf(url: string): Promise<unknown> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    const { rows } = await client.query<{ user: string }>('select current_user as user');
    return rows[0]?.user;
  } finally {
    await client.end();
  }
}

test('many that set the password of the same role at once all succeed, and the last one holds', async () => {
  const role = `test_${randomUUID().replaceAll('-', '')}`;
  await rig.pool.query(`create role ${role} nologin`);
  try {
    const set = (password: string) =>
      setServiceLogins({ databaseUrl: rig.environment.DATABASE_URL, passwords: { [role]: password } });
    await Promise.all(Array.from({ length: 12 }, () => set(randomUUID())));
    const password = `it's 100% "new"`;
    const urls = await set(password);
    expect(await userOf(urls[role] ?? '')).toBe(role);
    await expect(userOf((await set('another'), urls[role] ?? ''))).rejects.toThrow(/password authentication failed/);
  } finally {
    await rig.pool.query(`drop role ${role}`);
  }
});

test('a role that is missing, and a login that may not: what to do', async () => {
  const passwords = { nobody: 'secret' };
  await expect(setServiceLogins({ databaseUrl: rig.environment.DATABASE_URL, passwords })).rejects.toThrow(
    'The role nobody is missing: npm run migrate creates it.',
  );
  const { DATABASE_URL: databaseUrl } = rig.environmentOf('user_backend');
  await expect(setServiceLogins({ databaseUrl, passwords: { admin_backend: 'secret' } })).rejects.toThrow(
    /may not set the password of the role admin_backend: .*administrator/,
  );
});

// On a server that is named for the tests, the services may be in use.
test.skipIf(isGiven)('npm run migrate gives the services the passwords of its environment', async () => {
  const { DATABASE_URL } = rig.environment;
  const passwords = Object.fromEntries(serviceNames.map((name) => [passwordVariable(name, 'DATABASE'), `of ${name}`]));
  const migrate = startWorkerProcess('instances', { DATABASE_URL, ...passwords }, ['migrate']);
  expect(await migrate.exit).toBe(0);
  expect(migrate.output()).toContain(`Set the passwords of ${serviceNames.join(', ')}.`);
  for (const username of serviceNames) {
    const url = Object.assign(new URL(DATABASE_URL), { username, password: `of ${username}` });
    expect(await userOf(url.href)).toBe(username);
  }
});
