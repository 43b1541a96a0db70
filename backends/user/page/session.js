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
 * history. Whoever is signed in stays so: a link must not make them somebody else unasked.
 *
 * @returns {'none' | 'taken' | 'refused'} whether there was one, and whether it is the session's now
 */
export function takeTokenFromAddress() {
  const token = tokenIn(location.hash);
  if (token === undefined) return 'none';
  history.replaceState(null, '', `${location.pathname}${location.search}#/instances`);
  const present = readToken();
  if (present !== null && present !== token) return 'refused';
  keepToken(token);
  return 'taken';
}

/**
 * Whether it has the characters of a token. Others cannot be sent.
 *
 * @param {string} text
 */
export function looksLikeToken(text) {
  return /^[\w.-]+$/.test(text);
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
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** @param {string} text */
function tokenIn(text) {
  const found = /#token=([^&\s]+)/.exec(text)?.[1];
  return found && decoded(found);
}
