/** @import { InstanceEvent, LiveMessage } from './types.ts' */

/** @typedef {'connecting' | 'live' | 'delayed' | 'reconnecting' | 'offline'} LiveState */

/**
 * @typedef {object} LiveOptions
 * @property {string} token
 * @property {boolean} all events of everybody's instances, for admins
 * @property {(event: InstanceEvent) => void} onEvent at least once each
 * @property {() => void} onGap what happened before is not told: it has to be asked for
 * @property {(state: LiveState) => void} onState
 * @property {() => Promise<unknown>} checkToken asked after a failure, whose cause a browser hides; rejects while nothing answers
 * @property {AbortSignal} signal ends it
 */

const firstDelayMs = 500;
const maxDelayMs = 15_000;
/** A computer that slept, or a page in the background, may hold a connection that is dead without knowing. */
const longHiddenMs = 60_000;

/** Codes of our own server: the token has expired; too many connections of this user. */
const expired = 4001;
const tooMany = 4029;

/**
 * Keeps a connection that tells of changes, and asks for what was missed after each loss.
 *
 * @param {LiveOptions} options
 */
export function keepLive({ token, all, onEvent, onGap, onState, checkToken, signal }) {
  /** @type {WebSocket | undefined} */
  let socket;
  /** @type {string | undefined} */
  let after;
  let failures = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  let hiddenSince = 0;

  const open = () => {
    if (signal.aborted) return;
    clearTimeout(timer);
    drop();
    onState(navigator.onLine ? (failures === 0 && after === undefined ? 'connecting' : 'reconnecting') : 'offline');
    const own = new WebSocket(addressOf({ after, all }), ['instances.v1', `bearer.${token}`]);
    socket = own;
    own.addEventListener('message', ({ data }) => own === socket && take(JSON.parse(String(data))));
    own.addEventListener('close', ({ code }) => own === socket && lost(code));
  };

  const drop = () => {
    const old = socket;
    socket = undefined;
    old?.close();
  };

  /** @param {number} code */
  const lost = (code) => {
    socket = undefined;
    failures += 1;
    onState(navigator.onLine ? 'reconnecting' : 'offline');
    const backoff = code === tooMany ? maxDelayMs : Math.min(maxDelayMs, firstDelayMs * 2 ** (failures - 1));
    // With jitter, so that all pages do not come back at once.
    const delay = code === expired ? 0 : backoff * (0.5 + Math.random() / 2);
    clearTimeout(timer);
    timer = setTimeout(() => void again(), delay);
  };

  const again = async () => {
    try {
      await checkToken();
      open();
    } catch {
      if (!signal.aborted) lost(0);
    }
  };

  /** @param {LiveMessage} message */
  const take = (message) => {
    if (message.type === 'ready') {
      failures = 0;
      if (after === undefined) onGap();
      onState('live');
    } else if (message.type === 'lagging') onState('delayed');
    else if (message.type === 'resync') after = undefined;
    else {
      after = message.event_id;
      onEvent(message);
    }
  };

  window.addEventListener('online', open, { signal });
  window.addEventListener('offline', () => (drop(), lost(0)), { signal });
  document.addEventListener(
    'visibilitychange',
    () => {
      if (document.hidden) hiddenSince = Date.now();
      else if (Date.now() - hiddenSince > longHiddenMs) open();
    },
    { signal },
  );
  signal.addEventListener('abort', () => {
    clearTimeout(timer);
    drop();
  });
  open();
}

/** @param {{ after: string | undefined, all: boolean }} options */
function addressOf({ after, all }) {
  const url = new URL('/v1/updates', location.href);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  if (after !== undefined) url.searchParams.set('after', after);
  if (all) url.searchParams.set('all', 'true');
  return url;
}
