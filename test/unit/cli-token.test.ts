import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { createTokenVerifier } from '../../backends/http/tokens.ts';
import { runInstances } from '../support/command-line.ts';
import { tokenSettings } from '../support/tokens.ts';

const verify = createTokenVerifier({
  key: { secret: tokenSettings.JWT_SECRET },
  issuer: undefined,
  audience: 'instance-engine',
});
const nowhere = { STACK_DIRECTORY: '/nowhere' };

test('npx instances token makes a token that the backends take', async () => {
  const userId = randomUUID();
  const user = await runInstances(['token', '--user', userId], { ...tokenSettings, ...nowhere });
  expect(await verify(user.out.trim())).toMatchObject({ userId, isAdmin: false });
  const admin = await runInstances(['token', '--admin'], { ...tokenSettings, ...nowhere });
  expect(await verify(admin.out.trim())).toMatchObject({ isAdmin: true });
});

test('without the secret of the backends, npx instances token says that it is missing', async () => {
  const refused = await runInstances(['token'], nowhere);
  expect(refused).toMatchObject({ code: 1, out: '' });
  expect(refused.errors).toContain('JWT_SECRET is required, as the backends have it; or run npm start');
});
