import { expect, test } from 'vitest';
import { addressGroup } from '../../../backends/http/address-group.ts';
import { createTestServer } from '../../support/http-server.ts';

test.each([
  ['192.0.2.7', '192.0.2.7'],
  ['::ffff:192.0.2.7', '192.0.2.7'],
  ['::FFFF:c000:207', '192.0.2.7'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:DB8:1:2::6', '2001:db8:1:2::/64'],
  ['2001:0db8:0001:0002:0000:0000:0000:0001', '2001:db8:1:2::/64'],
  ['2001:db8:1:3::6', '2001:db8:1:3::/64'],
  ['2001:db8::1', '2001:db8:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['no address', 'no address'],
])('%s counts as %s', (address, group) => expect(addressGroup(address)).toBe(group));

test('whoever has a /64 of IPv6 addresses has one limit, and the next /64 another', async () => {
  const app = await createTestServer({ requestsPerMinute: 3 });
  app.get('/thing', { config: { access: 'public' } }, () => ({ ok: true }));
  const from = async (remoteAddress: string): Promise<number> =>
    (await app.inject({ url: '/thing', remoteAddress })).statusCode;
  const statuses = [];
  for (const host of ['1', '2', '3', '4', 'ffff:1:2:3']) statuses.push(await from(`2001:db8:1:2:${host.includes(':') ? host : `:${host}`}`)); // prettier-ignore
  expect(statuses).toEqual([200, 200, 200, 429, 429]);
  expect(await from('2001:db8:1:3::1')).toBe(200);
});
