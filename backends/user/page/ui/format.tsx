import { signal } from '@preact/signals';

const clock = new Intl.DateTimeFormat('en-GB', {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  fractionalSecondDigits: 3,
});
const day = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'long', year: 'numeric' });
const moment = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'medium' });

/** The first part of an id, which is enough to tell a few apart. */
export function shortId(id: string): string {
  return id.slice(0, 8);
}

/** A short id, with the whole one on hover. */
export function Id({ of: id }: { of: string }) {
  return (
    <code class="id" title={id}>
      {shortId(id)}
    </code>
  );
}

export function dayOf(iso: string): string {
  return day.format(new Date(iso));
}

/** The local time of day, to the millisecond. */
export function Clock({ at: iso }: { at: string }) {
  return (
    <time class="quiet" dateTime={iso} title={`${iso} (UTC)`}>
      {clock.format(new Date(iso))}
    </time>
  );
}

/** Local date and time. */
export function Time({ at: iso }: { at: string }) {
  return (
    <time dateTime={iso} title={`${iso} (UTC)`}>
      {moment.format(new Date(iso))}
    </time>
  );
}

export function Ago({ at: iso }: { at: string }) {
  const now = Math.max(ticks.value, Date.now());
  return (
    <time dateTime={iso} title={`${moment.format(new Date(iso))} here, ${iso} in UTC`}>
      {ago(now - Date.parse(iso))}
    </time>
  );
}

/** Renders every `Ago` again. */
const ticks = signal(Date.now());
setInterval(() => (ticks.value = Date.now()), 5_000);

function ago(ms: number): string {
  if (ms < 60_000) return ms < 2_000 ? 'just now' : `${Math.floor(ms / 1_000)} s ago`;
  return `${duration(ms)} ago`;
}

/** E.g. `12 ms`, `3.4 s`, `5 min`, `7 h`, `3 d`. */
export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 10_000) return `${(ms / 1_000).toFixed(1)} s`;
  if (ms < 60_000) return `${Math.round(ms / 1_000)} s`;
  if (ms < 3_600_000) return `${Math.round(ms / 60_000)} min`;
  return ms < 48 * 3_600_000 ? `${Math.round(ms / 3_600_000)} h` : `${Math.round(ms / 86_400_000)} d`;
}

const ids = /([\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12})/;
const utcTimes = /(\d{4}-\d\d-\d\dT[\d:.]+Z)/;

/** A text of the server, with short ids. */
export function ShortIds({ in: text }: { in: string }) {
  return <>{text.split(ids).map((part, index) => (index % 2 === 0 ? part : <Id of={part} />))}</>;
}

/** A text of the server, with short ids and local times. */
export function Friendly({ text }: { text: string }) {
  return (
    <>{text.split(utcTimes).map((part, index) => (index % 2 === 0 ? <ShortIds in={part} /> : <Time at={part} />))}</>
  );
}
