import { computed, signal } from '@preact/signals';

/**
 * The view is named by the part of the address behind `#`, with its filters, e.g. `#/instances?status=failed`. So Back,
 * bookmarks and a second tab work, links need no code, and the server has one page to serve.
 */
const hash = signal(location.hash);

/** Path of the view, e.g. `/instances`, without a slash at its end. */
export const path = computed(() => `/${split(hash.value)[0].replaceAll(/^\/+|\/+$/g, '')}`);

export const query = computed(() => new URLSearchParams(split(hash.value)[1]));

function split(text: string): [path: string, query: string] {
  const [before = '', after = ''] = text.replace(/^#/, '').split('?', 2);
  return [before, after];
}

/** Address of a view. Empty filters are left out. */
export function addressOf(parts: readonly string[], filters: Record<string, string | undefined> = {}): string {
  const given = Object.entries(filters).flatMap(([name, value]) => (value ? [[name, value]] : []));
  const text = new URLSearchParams(given).toString();
  return `#/${parts.map(encodeURIComponent).join('/')}${text && `?${text}`}`;
}

/** Shows another view; Back leads to the present one. */
export function go(address: string): void {
  location.hash = address;
}

/** Takes in a change of the address. */
export function readAddress(): void {
  hash.value = location.hash;
}
