import type { InstanceEvent, LiveMessage } from '../api/types.ts';

export type LiveState = 'connecting' | 'live' | 'delayed' | 'reconnecting' | 'offline';

interface LiveOptions {
  token: string;
  /** Also events of the instances of other users, for admins. */
  all: boolean;
  /** Called at least once for each event. */
  onEvent: (event: InstanceEvent) => void;
  /** Called when events may have been missed: whatever is shown has to be loaded again. */
  onGap: () => void;
  /** Called before `onGap` where the server may have been set back, so that what was known may be later than what is. */
  onResync: () => void;
  onState: (state: LiveState) => void;
  /** Called before each further attempt, because a browser hides why a connection failed; rejects while no server answers. */
  checkToken: () => Promise<unknown>;
  signal: AbortSignal;
}

const firstDelayMs = 500;
const maxDelayMs = 15_000;
/** After so long in the background, or asleep, the connection may be dead without knowing. */
const longHiddenMs = 60_000;

/** Close codes of user_backend. */
const tokenExpired = 4001;
const tooManyConnections = 4029;

/** Keeps the WebSocket of docs/live-updates.md open, and resumes after the last event that arrived. */
export function keepLive(options: LiveOptions): void {
  const { token, all, onEvent, onGap, onResync, onState, checkToken, signal } = options;
  let socket: WebSocket | undefined;
  let after: string | undefined;
  let failures = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let hiddenSince = 0;

  const open = (): void => {
    if (signal.aborted) return;
    clearTimeout(timer);
    drop();
    onState(navigator.onLine ? (failures === 0 && after === undefined ? 'connecting' : 'reconnecting') : 'offline');
    const own = new WebSocket(addressOf({ after, all }), ['instances.v1', `bearer.${token}`]);
    socket = own;
    own.addEventListener('message', ({ data }) => own === socket && take(JSON.parse(String(data))));
    own.addEventListener('close', ({ code }) => own === socket && lost(code));
  };

  const drop = (): void => {
    const old = socket;
    socket = undefined;
    old?.close();
  };

  const lost = (code: number): void => {
    socket = undefined;
    failures += 1;
    onState(navigator.onLine ? 'reconnecting' : 'offline');
    const backoff = code === tooManyConnections ? maxDelayMs : Math.min(maxDelayMs, firstDelayMs * 2 ** (failures - 1));
    // The jitter keeps all pages from coming back at once.
    const delay = code === tokenExpired ? 0 : backoff * (0.5 + Math.random() / 2);
    clearTimeout(timer);
    timer = setTimeout(() => void again(), delay);
  };

  const again = async (): Promise<void> => {
    try {
      await checkToken();
      open();
    } catch {
      if (!signal.aborted) lost(0);
    }
  };

  const take = (message: LiveMessage): void => {
    if (message.type === 'ready') {
      failures = 0;
      if (after === undefined) onGap();
      onState('live');
    } else if (message.type === 'lagging') onState('delayed');
    else if (message.type === 'resync') {
      after = undefined;
      onResync();
    } else {
      after = message.event_id;
      onEvent(message);
    }
  };

  addEventListener('online', open, { signal });
  addEventListener('offline', () => (drop(), lost(0)), { signal });
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

function addressOf({ after, all }: { after: string | undefined; all: boolean }): URL {
  const url = new URL('/v1/updates', location.href);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  if (after !== undefined) url.searchParams.set('after', after);
  if (all) url.searchParams.set('all', 'true');
  return url;
}
