/** The token of this tab alone, so that two tabs may be two people. */
const key = 'token';

/** @returns {string | null} */
export function readToken() {
  return sessionStorage.getItem(key);
}

/** @param {string} token */
export function keepToken(token) {
  sessionStorage.setItem(key, token);
}

export function forgetToken() {
  sessionStorage.removeItem(key);
}

/**
 * Takes the token out of an address such as `…/#token=<token>`, which then is no longer in the address bar or in the
 * history.
 *
 * @returns {boolean} whether there was one
 */
export function takeTokenFromAddress() {
  const token = tokenIn(location.hash);
  if (token === undefined) return false;
  keepToken(token);
  history.replaceState(null, '', `${location.pathname}${location.search}#/instances`);
  return true;
}

/**
 * The token in what somebody pasted: the token itself, or an address with it.
 *
 * @param {string} text
 */
export function tokenOf(text) {
  return tokenIn(text) ?? text.trim().replace(/^Bearer\s+/i, '');
}

/** @param {string} text */
function tokenIn(text) {
  const found = /#token=([^&\s]+)/.exec(text)?.[1];
  return found && decodeURIComponent(found);
}
