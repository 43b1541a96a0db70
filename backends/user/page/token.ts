/** The token is kept per tab, so that two tabs may belong to two people. */
const key = 'token';

export function readToken(): string | null {
  return sessionStorage.getItem(key);
}

export function keepToken(token: string): void {
  sessionStorage.setItem(key, token);
}

export function forgetToken(): void {
  sessionStorage.removeItem(key);
}

/**
 * Takes the token out of an address such as `…/#token=<token>`, so that neither the address bar nor the history keeps it.
 * A tab that is already signed in keeps its token: a link must not change who somebody is unasked.
 */
export function takeTokenFromAddress(): 'none' | 'taken' | 'refused' {
  const token = tokenIn(location.hash);
  if (token === undefined) return 'none';
  history.replaceState(null, '', `${location.pathname}${location.search}#/instances`);
  const present = readToken();
  if (present !== null && present !== token) return 'refused';
  keepToken(token);
  return 'taken';
}

/** Whether the text has the characters of a token. A header cannot carry all others. */
export function looksLikeToken(text: string): boolean {
  return /^[\w.-]+$/.test(text);
}

/** The token in a pasted text, which may be an address that holds it. */
export function tokenOf(text: string): string {
  return tokenIn(text) ?? text.trim().replace(/^Bearer\s+/i, '');
}

function tokenIn(text: string): string | undefined {
  const found = /#token=([^&\s]+)/.exec(text)?.[1];
  if (found === undefined) return undefined;
  try {
    return decodeURIComponent(found);
  } catch {
    return found;
  }
}
