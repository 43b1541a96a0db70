import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { usePages } from '../support/open-page.ts';
import { signToken } from '../support/tokens.ts';

const { rig, pages } = usePages();

test('a token in the address does not make somebody else of whoever is signed in', async () => {
  const userId = randomUUID();
  const page = await pages.signIn({ userId });
  const other = randomUUID();
  const who = page.locator('#who');
  await expect.poll(() => who.textContent()).toContain(userId.slice(0, 8));
  const token = await signToken({ userId: other });
  await page.goto(`${pages.url}/#token=${token}`);
  await expect.poll(() => page.locator('#alert').textContent()).toContain('was not used');
  expect(await who.textContent()).toContain(userId.slice(0, 8));
  expect(page.url()).not.toContain(token);
  await page.locator('#sign-out').click();
  await page.goto(`${pages.url}/#token=${token}`);
  await expect.poll(() => who.textContent()).toContain(other.slice(0, 8));
});

test.each(['#%E0%A4%A', '#token=%E0%A4%A', '#token=%', '#/instances/%zz', '#/audit?from=never', '#/%00', '#?%'])(
  'an address that ends in %s does not give a blank page',
  async (hash) => {
    const page = await pages.signIn({ isAdmin: true });
    await page.goto(`${pages.url}/${hash}`);
    await page.reload();
    await expect.poll(() => page.locator('h1').textContent()).toMatch(/\S/);
  },
);

test('characters that would deceive are shown', async () => {
  const userId = randomUUID();
  const { rows } = await rig.pool.query<{ id: string }>(
    `insert into agents (name, version, runtime) values ($1, '1', $2) returning id`,
    ['abc\u202Efed\u200B', { kind: 'process', command: ['sleep', '100000'] }],
  );
  await rig.pool.query('insert into instances (agent_id, user_id) values ($1, $2)', [rows[0]?.id, userId]);
  const page = await pages.signIn({ userId });
  await expect.poll(() => page.locator('#view').textContent()).toContain(String.raw`abc\u202efed\u200b`);
});
