import { useLayoutEffect, useRef } from 'preact/hooks';
import type { LiveState } from './live/updates.ts';
import { addressOf, path } from './router.ts';
import { findView, routes } from './routes.tsx';
import { begin, liveState, phase, SessionProvider, signOut, type Session } from './session.ts';
import { DialogPlace } from './ui/dialog.tsx';
import { focusHeading } from './ui/focus.ts';
import { shortId } from './ui/format.tsx';
import { Mark } from './ui/marks.tsx';
import { errorText, Notices } from './ui/notice.tsx';
import { visible } from './ui/visible.ts';
import { SignInView } from './views/sign-in.tsx';

export function App() {
  const present = phase.value;
  const session = present.name === 'open' ? present.session : undefined;
  return (
    <>
      <a id="skip" class="skip" href="#main" onClick={skip}>
        Skip to the content
      </a>
      <header class="top">
        <div class="top-inner line">
          <a class="brand inline" href={addressOf(['instances'])}>
            <img src="/assets/icon.svg" alt="" width={24} height={24} />
            Instance engine
          </a>
          <nav id="views" aria-label="Views">
            {session && <ViewLinks isAdmin={session.admin !== undefined} />}
          </nav>
          <div id="session" class="session line small" hidden={!session}>
            <p id="live" class="inline" role="status">
              {session && <Live state={liveState.value} />}
            </p>
            <p id="who" class="quiet">
              {session && (session.me.is_admin ? 'Admin ' : 'User ')}
              {session && <span title={session.me.user_id}>{shortId(session.me.user_id)}</span>}
            </p>
            <button id="sign-out" type="button" class="plain" onClick={() => signOut('You are signed out.')}>
              Sign out
            </button>
          </div>
        </div>
      </header>
      <main id="main" tabIndex={-1}>
        <Notices />
        <div id="view" class="stack">
          {present.name === 'open' && <PresentView key={present.session} session={present.session} />}
          {present.name === 'signed out' && <SignInView reason={present.reason} />}
          {present.name === 'failed' && <OpeningFailed error={present.error} />}
        </div>
      </main>
      {session && <DialogPlace />}
    </>
  );
}

function skip(event: Event): void {
  // The part of the address behind # names the view.
  event.preventDefault();
  document.getElementById('main')?.focus();
}

function ViewLinks({ isAdmin }: { isAdmin: boolean }) {
  const room = path.value.split('/')[1] || 'instances';
  return (
    <ul class="line">
      {routes.map(({ pattern, link, forAdmins }) => {
        if (link === undefined || (forAdmins && !isAdmin)) return null;
        return (
          <li key={pattern}>
            <a href={`#${pattern}`} aria-current={pattern === `/${room}` ? 'page' : undefined}>
              {link}
            </a>
          </li>
        );
      })}
    </ul>
  );
}

/** The view that the address names. A new one begins at its top, with the focus on its heading. */
function PresentView({ session }: { session: Session }) {
  const shown = useRef<string | undefined>(undefined);
  const { title, view } = findView(path.value, session.admin !== undefined);
  useLayoutEffect(() => {
    document.title = `${visible(title)} · Instance engine`;
    if (shown.current !== undefined && shown.current !== path.value) {
      focusHeading();
      scrollTo(0, 0);
    }
    shown.current = path.value;
  });
  return <SessionProvider value={session}>{view}</SessionProvider>;
}

const liveWords: Record<LiveState, string> = {
  connecting: 'Connecting …',
  live: 'Live',
  delayed: 'Delayed: changes may show late',
  reconnecting: 'Reconnecting: what you see may be old',
  offline: 'Offline: what you see may be old',
};

function Live({ state }: { state: LiveState }) {
  return (
    <>
      <Mark of={state} />
      {liveWords[state]}
    </>
  );
}

function OpeningFailed({ error }: { error: unknown }) {
  return (
    <>
      <h1>The page could not be opened</h1>
      <p>{errorText(error)}</p>
      <button type="button" onClick={() => void begin()}>
        Try again
      </button>
    </>
  );
}
