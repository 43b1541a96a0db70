import ipaddr from 'ipaddr.js';

/**
 * Addresses of one client that has no token. A customer of a provider gets at least a /64 of IPv6 addresses
 * (https://www.rfc-editor.org/rfc/rfc6177), and could use another address for each request.
 */
export function addressGroup(address: string): string {
  if (!ipaddr.IPv6.isValid(address)) return address;
  const parsed = ipaddr.process(address);
  if (!(parsed instanceof ipaddr.IPv6)) return parsed.toString();
  const network = parsed.parts.slice(0, 4).map((part) => part.toString(16));
  return `${network.join(':')}::/64`;
}
