/**
 * @typedef {object} Route
 * @property {string[]} path e.g. `['instances', '<id>']`
 * @property {URLSearchParams} query
 */

/**
 * The address of a view, e.g. `#/instances?status=failed`. Empty values are left out.
 *
 * @param {readonly string[]} path
 * @param {Record<string, string | undefined>} [query]
 */
export function addressOf(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value);
  const text = new URLSearchParams(/** @type {[string, string][]} */ (given)).toString();
  return `#/${path.map(encodeURIComponent).join('/')}${text && `?${text}`}`;
}

/** @returns {Route} */
export function readRoute() {
  const [path = '', query = ''] = location.hash.replace(/^#\/?/, '').split('?', 2);
  return { path: path.split('/').filter(Boolean).map(decode), query: new URLSearchParams(query) };
}

/**
 * Goes to another view; Back leads to the present one.
 *
 * @param {string} address
 */
export function go(address) {
  location.hash = address;
}

/** @param {string} part */
function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
