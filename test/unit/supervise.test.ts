import { pino } from 'pino';
import { afterEach, expect, test, vi } from 'vitest';
import { CannotWork, errorMessage, FatalError } from '../../supervision/errors.ts';
import { supervise } from '../../supervision/supervise.ts';
import type { Session, Supervised, SuperviseOptions } from '../../supervision/supervise.ts';

let supervised: Supervised | undefined;
afterEach(() => supervised?.stop());

/** Starts it with a log that is kept: the waits between two sessions are read from there. */
function start(run: SuperviseOptions['run'], options: Partial<SuperviseOptions> = {}) {
  const lines: { msg: string; retryInMs?: number; error?: string }[] = [];
  const logger = pino({}, { write: (line: string) => void lines.push(JSON.parse(line) as (typeof lines)[number]) });
  const fatal: FatalError[] = [];
  const onFatal = (error: FatalError): void => void fatal.push(error);
  supervised = supervise({ name: 'part', logger, run, onFatal, initialDelayMs: 4, maxDelayMs: 16, ...options });
  const waits = (): number[] => lines.flatMap(({ retryInMs }) => retryInMs ?? []);
  return { supervised, lines, fatal, waits };
}

const untilAborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true });
  });

test('a session that breaks is followed by another one, after waits that double up to a limit', async () => {
  const { waits } = start(() => Promise.reject(new Error('refused')));
  await vi.waitFor(() => expect(waits().length).toBeGreaterThanOrEqual(5));
  for (const [index, expected] of [4, 8, 16, 16, 16].entries()) {
    expect(waits()[index]).toBeGreaterThanOrEqual(expected * 0.75);
    expect(waits()[index]).toBeLessThanOrEqual(expected * 1.25);
  }
});

test('a session that came to work starts the waits from the beginning', async () => {
  let sessions = 0;
  const { waits } = start(({ ready }) => {
    sessions += 1;
    if (sessions === 4) ready();
    return Promise.reject(new Error('lost'));
  });
  await vi.waitFor(() => expect(waits().length).toBeGreaterThanOrEqual(4));
  expect(waits()[2]).toBeGreaterThanOrEqual(12);
  expect(waits()[3]).toBeLessThanOrEqual(5);
});

test('the health is green while a session is at work, and otherwise says what broke', async () => {
  let session: Session | undefined;
  let lose: (error: Error) => void = () => undefined;
  const run = (next: Session): Promise<void> => {
    session = next;
    return new Promise((_, reject) => {
      lose = reject;
    });
  };
  const { supervised: part, lines } = start(run);
  expect(part.health).toEqual({ ready: false });
  session?.ready();
  expect(part.health).toEqual({ ready: true });

  const first = session;
  lose(new Error('connection reset'));
  await vi.waitFor(() => expect(session).not.toBe(first));
  expect(part.health).toEqual({ ready: false, lastError: 'connection reset' });
  expect(lines.at(-1)).toMatchObject({ msg: expect.stringContaining('part') as string, error: 'connection reset' });

  session?.ready();
  expect(part.health).toEqual({ ready: true });
  lose(new Error('the test has ended'));
});

test('a fatal error ends it: nothing is tried again, and the error is handed over once', async () => {
  const run = vi.fn<SuperviseOptions['run']>(() => Promise.reject(new FatalError('Run `npm run migrate`.')));
  const { supervised: part, fatal, waits } = start(run);
  await vi.waitFor(() => expect(fatal).toHaveLength(1));
  await part.stop();
  expect(run).toHaveBeenCalledOnce();
  expect(fatal.map(({ message }) => message)).toEqual(['Run `npm run migrate`.']);
  expect(waits()).toEqual([]);
  expect(part.health).toEqual({ ready: false, lastError: 'Run `npm run migrate`.' });
});

test('a stop ends the session and waits until it has closed what it opened', async () => {
  let closed = false;
  const { supervised: part, lines } = start(async ({ signal, ready }) => {
    ready();
    await untilAborted(signal);
    await new Promise((resolve) => {
      setTimeout(resolve, 20);
    });
    closed = true;
  });
  await part.stop();
  expect(closed).toBe(true);
  expect(part.health.ready).toBe(false);
  expect(lines.map(({ msg }) => msg)).toEqual(['part is ready']);
});

test('a stop between two sessions does not wait for the next one', async () => {
  const run = vi.fn<SuperviseOptions['run']>(() => Promise.reject(new Error('refused')));
  const { supervised: part, waits } = start(run, { initialDelayMs: 600_000, maxDelayMs: 600_000 });
  await vi.waitFor(() => expect(waits()).toHaveLength(1));
  await part.stop();
  expect(run).toHaveBeenCalledOnce();
});

test('a session that breaks while it is being stopped is neither an error nor tried again', async () => {
  const run = vi.fn<SuperviseOptions['run']>(async ({ signal }) => {
    await untilAborted(signal);
    throw new FatalError('closed');
  });
  const { supervised: part, fatal, waits } = start(run);
  await part.stop();
  expect(run).toHaveBeenCalledOnce();
  expect([fatal, waits()]).toEqual([[], []]);
});

test('a second stop is as good as the first', async () => {
  const { supervised: part } = start(({ signal }) => untilAborted(signal));
  await Promise.all([part.stop(), part.stop()]);
  expect(part.health.ready).toBe(false);
});

test.each([
  [Object.assign(new Error('terminating connection due to administrator command'), { code: '57P01' }), true],
  [Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:1'), { code: 'ECONNREFUSED' }), true],
  [new AggregateError([Object.assign(new Error('::1'), { code: 'ECONNREFUSED' })]), true],
  [
    new Error('RabbitMQ at h cannot be used.', { cause: new Error('Socket closed abruptly during opening handshake') }),
    true,
  ],
  [new Error('Heartbeat timeout'), true],
  [new Error('Connection closed: 320 (CONNECTION-FORCED) with message "x"'), true],
  [new Error('Query read timeout'), true],
  [Object.assign(new Error('14 UNAVAILABLE: No connection established'), { code: 14 }), true],
  [Object.assign(new Error('invalid input syntax for type bigint'), { code: '22P02' }), false],
  [Object.assign(new Error('cannot execute UPDATE in a read-only transaction'), { code: '25006' }), false],
  [Object.assign(new Error('Channel closed by server: 404 (NOT-FOUND) with message "x"'), { code: 404 }), false],
  [new Error('RabbitMQ did not confirm instance.created within 10000 ms'), false],
  [new RangeError('Invalid time value'), false],
])('%s: says that a connection was lost only where one was', async (problem, lost) => {
  const first = start(() => Promise.reject(problem));
  await vi.waitFor(() =>
    expect(first.lines.at(0)?.msg).toBe(`part ${lost ? 'has no connection' : 'cannot do its work'}; trying again`),
  );
  const later = start(({ ready }) => {
    ready();
    return Promise.reject(problem);
  });
  await vi.waitFor(() =>
    expect(later.lines.at(1)?.msg).toBe(`part ${lost ? 'lost its connection' : 'cannot do its work'}; trying again`),
  );
});

test('a session that a server keeps from its work is not ready, says why once, and is ready again when that is over', async () => {
  let session: Session | undefined;
  const { supervised: part, lines } = start(async (next) => {
    session = next;
    await untilAborted(next.signal);
  });
  session?.paused('it is full');
  session?.ready();
  expect(part.health).toEqual({ ready: false, lastError: 'it is full' });
  session?.resumed();
  expect(part.health).toEqual({ ready: true });
  session?.paused('it is full again');
  expect(part.health).toEqual({ ready: false, lastError: 'it is full again' });
  session?.resumed();
  expect(lines.map(({ msg, error }) => error ?? msg)).toEqual([
    'it is full',
    'part is ready',
    'part can do its work again',
    'it is full again',
    'part can do its work again',
  ]);
  await part.stop();
});

test('a stop gives up a session that does not end', async () => {
  const { supervised: part, lines } = start(() => new Promise(() => undefined), { stopMs: 20 });
  await part.stop();
  expect(lines.at(-1)?.msg).toMatch(/^part did not end within 20 ms/);
});

test('what a person has to mend is said once for each time that it comes up, however often it is tried again', async () => {
  let sessions = 0;
  const { lines } = start(({ ready }) => {
    sessions += 1;
    if (sessions === 4) ready();
    return Promise.reject(new CannotWork(sessions === 8 ? 'a right is missing' : 'the queue is missing'));
  });
  await vi.waitFor(() => expect(sessions).toBeGreaterThan(9));
  expect(lines.flatMap(({ error }) => error ?? []).slice(0, 4)).toEqual([
    'the queue is missing',
    'the queue is missing',
    'a right is missing',
    'the queue is missing',
  ]);
});

test('while another process does the work, the health says which', async () => {
  const { supervised: part } = start(async ({ signal, standby, ready }) => {
    standby('part on b leads');
    await untilAborted(signal);
    ready();
  });
  expect(part.health).toEqual({ ready: false, standby: 'part on b leads' });
  await part.stop();
});

test('an error is described in one line, also where node hides it in an AggregateError', () => {
  expect(errorMessage(new AggregateError([new Error('::1 refused'), new Error('127.0.0.1 refused')]))).toBe(
    '::1 refused; 127.0.0.1 refused',
  );
  expect(errorMessage(new AggregateError([], 'none'))).toBe('none');
  expect(errorMessage(new TypeError(''))).toBe('TypeError');
  expect(errorMessage('text')).toBe('text');
});
