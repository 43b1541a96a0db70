import { isIPv6 } from 'node:net';

const groupsOf64Bits = 4;

/**
 * What is counted as one client without a token. A customer of a provider has a whole /64 of IPv6 addresses at least
 * (https://www.rfc-editor.org/rfc/rfc6177), and could send each request from another one.
 */
export function addressGroup(address: string): string {
  const [withoutZone = ''] = address.split('%');
  if (!isIPv6(withoutZone)) return address;
  // In the one way of writing that URLs have, which gives the last 32 bits as two groups, too.
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
