import { signal, useSignalEffect } from '@preact/signals';
import { createContext } from 'preact';
import { useContext, useEffect } from 'preact/hooks';
import { createAdminBackend, type AdminBackend } from './api/admin-backend.ts';
import { createSend, Problem } from './api/request.ts';
import type { Me, PageSettings } from './api/types.ts';
import { createUserBackend, type UserBackend } from './api/user-backend.ts';
import { createKnownInstances, type KnownInstances } from './live/known-instances.ts';
import { keepLive, type LiveState } from './live/updates.ts';
import { readAddress } from './router.ts';
import { forgetToken, looksLikeToken, readToken, takeTokenFromAddress } from './token.ts';
import { renewNotices, warn } from './ui/notice.tsx';

/** Everything that the views of a signed-in person share. */
export interface Session {
  me: Me;
  settings: PageSettings;
  api: UserBackend;
  /** Undefined unless the person is an admin and the page knows an admin_backend. */
  admin: AdminBackend | undefined;
  known: KnownInstances;
  /** Listeners of `useGap`. */
  gaps: Set<() => void>;
}

type Phase =
  | { name: 'opening' }
  | { name: 'signed out'; reason?: string }
  | { name: 'failed'; error: unknown }
  | { name: 'open'; session: Session };

export const phase = signal<Phase>({ name: 'opening' });
export const liveState = signal<LiveState>('connecting');

const SessionContext = createContext<Session | undefined>(undefined);
export const SessionProvider = SessionContext.Provider;

export function useSession(): Session {
  const session = useContext(SessionContext);
  if (!session) throw new Error('Nobody is signed in.');
  return session;
}

/** For views whose route is for admins. */
export function useAdmin(): AdminBackend {
  const { admin } = useSession();
  if (!admin) throw new Error('This view is for admins.');
  return admin;
}

/** Calls the listener when events may have been missed, so that what is shown has to be loaded again. */
export function useGap(listener: () => void): void {
  const { gaps } = useSession();
  useEffect(() => {
    gaps.add(listener);
    return () => void gaps.delete(listener);
  }, []);
}

/** Calls the listener when the page is live, at first and again: what could not be loaded meanwhile can be now. */
export function useLive(listener: () => void): void {
  useSignalEffect(() => {
    if (liveState.value === 'live') listener();
  });
}

/** Ends the requests and the connection of the present session. */
let lifetime = new AbortController();

/** Signs in with the token of the address or of this tab. */
export async function begin(): Promise<void> {
  const isRefused = takeTokenFromAddress() === 'refused';
  readAddress();
  lifetime.abort();
  lifetime = new AbortController();
  const { signal: ended } = lifetime;
  const token = readToken();
  if (!token) return showSignIn();
  if (!looksLikeToken(token)) return signOut('This is not a token. Sign in with another one.');
  const onUnauthorized = (reason: string): void => {
    if (!ended.aborted) signOut(reason);
  };
  const api = createUserBackend(createSend({ base: '', token, onUnauthorized }));
  try {
    const [me, settings] = await Promise.all([api.me(), api.settings()]);
    if (ended.aborted) return;
    const base = me.is_admin ? settings.admin_backend_url : null;
    const admin = base === null ? undefined : createAdminBackend(createSend({ base, token, onUnauthorized }));
    const session: Session = { me, settings, api, admin, known: createKnownInstances(), gaps: new Set() };
    phase.value = { name: 'open', session };
    keepUpToDate(session, token, ended);
    if (isRefused) warn('The address held another token, which was not used. Sign out first to sign in with it.');
  } catch (error) {
    if (ended.aborted || (error instanceof Problem && error.status === 401)) return;
    phase.value = { name: 'failed', error };
  }
}

function keepUpToDate({ me, api, known, gaps }: Session, token: string, ended: AbortSignal): void {
  keepLive({
    token,
    all: me.is_admin,
    onEvent: known.hear,
    onResync: known.beginAnew,
    onGap: () => gaps.forEach((listener) => listener()),
    onState: (state) => (liveState.value = state),
    checkToken: api.me,
    signal: ended,
  });
  // A timer takes no longer delay than this one.
  const remainingMs = Math.min(Date.parse(me.expires_at) - Date.now(), 2 ** 31 - 1);
  const expiry = setTimeout(() => signOut('Your token has expired. Sign in again with a new one.'), remainingMs);
  ended.addEventListener('abort', () => clearTimeout(expiry));
}

/** Forgets the token, and takes everything of the person off the page. */
export function signOut(reason: string): void {
  lifetime.abort();
  forgetToken();
  showSignIn(reason);
}

function showSignIn(reason?: string): void {
  renewNotices();
  phase.value = { name: 'signed out', ...(reason !== undefined && { reason }) };
}
