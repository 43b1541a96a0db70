import { createApi, Problem } from './api.js';
import { openApp } from './app.js';
import { byId, fill, h } from './dom.js';
import { renewNotices, warnOf, wordsOf } from './notice.js';
import { forgetToken, keepToken, looksLikeToken, readToken, takeTokenFromAddress } from './session.js';
import { createUserApi } from './user-api.js';
import { signInView } from './views/sign-in.js';

/** Ends everything that belongs to whoever is signed in. */
let session = new AbortController();

let refusedToken = takeTokenFromAddress() === 'refused';
window.addEventListener('hashchange', () => {
  const found = takeTokenFromAddress();
  if (found === 'none') return;
  refusedToken = found === 'refused';
  void begin();
});
byId('sign-out').addEventListener('click', () => end('You are signed out.'));
byId('skip').addEventListener('click', (event) => {
  // The part of the address behind # is the view's.
  event.preventDefault();
  byId('main').focus();
});
void begin();

async function begin() {
  session.abort();
  session = new AbortController();
  const { signal } = session;
  const token = readToken();
  if (!token) return askForToken();
  if (!looksLikeToken(token)) return end('This is not a token. Sign in with another one.');
  const onUnauthorized = (/** @type {string} */ reason) => !signal.aborted && end(reason);
  const api = createUserApi(createApi({ base: '', token, onUnauthorized }));
  try {
    const [me, settings] = await Promise.all([api.me(), api.settings()]);
    if (signal.aborted) return;
    openApp({ me, settings, api, token, signal, end, onUnauthorized });
    if (refusedToken) warnOf('The address held another token, which was not used. Sign out first to sign in with it.');
    refusedToken = false;
  } catch (error) {
    if (signal.aborted || (error instanceof Problem && error.status === 401)) return;
    const again = h('button', { type: 'button', onclick: () => void begin() }, 'Try again');
    fill(byId('view'), h('h1', {}, 'The page could not be opened'), h('p', {}, wordsOf(error)), again);
  }
}

/**
 * Takes everything of the person off the page.
 *
 * @param {string} reason
 */
function end(reason) {
  session.abort();
  forgetToken();
  askForToken(reason);
}

/** @param {string} [reason] why there is none any more */
function askForToken(reason) {
  byId('session').hidden = true;
  fill(byId('views'));
  renewNotices();
  document.title = 'Sign in · Instance engine';
  const view = signInView({
    reason,
    onToken: (token) => {
      keepToken(token);
      void begin();
    },
  });
  fill(byId('view'), view);
  view.querySelector('input')?.focus();
}
