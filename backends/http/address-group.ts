import { isIPv6 } from 'node:net';

const groupsOf64Bits = 4;

/**
 * Addresses of one client that has no token. A customer of a provider gets at least a /64 of IPv6 addresses
 * (https://www.rfc-editor.org/rfc/rfc6177), and could use another address for each request.
 */
export function addressGroup(address: string): string {
  const [withoutZone = ''] = address.split('%');
  if (!isIPv6(withoutZone)) return address;
  // A URL has one canonical form of an address, in which the last 32 bits are two groups, too.
  const canonical = new URL(`http://[${withoutZone}]`).hostname.slice(1, -1);
  const [head = '', tail] = canonical.split('::');
  const before = head.split(':').filter(Boolean);
  const after = tail?.split(':').filter(Boolean) ?? [];
  const groups = [...before, ...Array<string>(8 - before.length - after.length).fill('0'), ...after];
  const isMappedIPv4 = groups.slice(0, 5).every((group) => group === '0') && groups[5] === 'ffff';
  if (isMappedIPv4) return mappedIPv4(groups.slice(6));
  return `${groups.slice(0, groupsOf64Bits).join(':')}::/64`;
}

function mappedIPv4(groups: readonly string[]): string {
  return groups
    .flatMap((group) => {
      const bits = Number.parseInt(group, 16);
      return [bits >> 8, bits & 0xff];
    })
    .join('.');
}
