import { NamespaceNotFoundError } from '@temporalio/common';
import { pino } from 'pino';
import { expect, test, vi } from 'vitest';
import { watchAcceptance, type AcceptanceOptions } from '../../bridge/signals/acceptance.ts';
import { ContractViolation } from '../../bridge/bus/incoming-event.ts';
import { grpcCodes } from '../../bridge/signals/temporal-refusal.ts';
import { untilAccepted } from '../../bridge/signals/until-accepted.ts';

/** As the client of gRPC throws it. */
function refusal(code: number, details: string): Error {
  return Object.assign(new Error(`${code} ${details}`), { name: 'Error', code, details, metadata: {} });
}

const unavailable = refusal(grpcCodes.unavailable, 'No connection established');
const unauthorized = refusal(grpcCodes.permissionDenied, 'Request unauthorized.');
const tooManySignals = refusal(grpcCodes.invalidArgument, 'exceeded workflow execution limit for signal events');

function open(options: Partial<AcceptanceOptions> = {}) {
  const lines: string[] = [];
  const logger = pino({}, { write: (line: string) => void lines.push((JSON.parse(line) as { msg: string }).msg) });
  const acceptance = watchAcceptance({ namespace: 'one', logger, ...options });
  return { acceptance, lines };
}

/** Asks until it is accepted, which the last answer is. */
function ask(acceptance: ReturnType<typeof open>['acceptance'], answers: readonly Error[]) {
  const calls: number[] = [];
  const call = async (): Promise<void> => {
    calls.push(performance.now());
    const error = answers[calls.length - 1];
    if (error) throw error;
  };
  const { signal } = new AbortController();
  const accepted = untilAccepted({ call, acceptance, signal, firstRetryMs: 10, maxRetryMs: 400, maxRunRetryMs: 20 });
  return { accepted, calls };
}

test('a call is repeated until it is accepted', async () => {
  const { acceptance } = open();
  const { accepted, calls } = ask(acceptance, [unavailable, unavailable, unauthorized, tooManySignals]);
  await accepted;
  expect(calls).toHaveLength(5);
  expect(acceptance.health.ready).toBe(true);
});

test('a run that has had too many signals is asked again soon, however often it refuses', async () => {
  const { acceptance, lines } = open();
  const { accepted, calls } = ask(acceptance, Array<Error>(30).fill(tooManySignals));
  await accepted;
  // Doubled each time, the waits would have been 11 s.
  expect((calls.at(-1) ?? 0) - (calls[0] ?? 0)).toBeLessThan(8_000);
  expect(lines).toEqual([]);
});

test.each([
  ['a right that is missing', unauthorized, 'Request unauthorized. Give the login of agents_worker the right'],
  [
    'a login that is not valid',
    refusal(grpcCodes.unauthenticated, 'expired'),
    'Give the login of agents_worker the right',
  ],
  ['a namespace that is gone', new NamespaceNotFoundError('one'), 'Create the namespace one'],
  [
    'a namespace that is deprecated',
    refusal(grpcCodes.failedPrecondition, 'Namespace has invalid state: Deprecated. Must be Registered.'),
    'with TEMPORAL_NAMESPACE set to another namespace',
  ],
  [
    'a search attribute that is not there',
    refusal(grpcCodes.invalidArgument, 'Namespace one has no mapping defined for search attribute UserId'),
    'agents_worker registers what is missing',
  ],
  ['a limit on data', refusal(grpcCodes.invalidArgument, 'Blob data size exceeds limit.'), 'Raise that limit'],
  ['a server without the call', refusal(grpcCodes.unimplemented, 'unknown method'), 'Correct TEMPORAL_ADDRESS'],
])('%s makes the health red until it is mended, and is said once', async (_, error, advice) => {
  const { acceptance, lines } = open();
  const requests = [acceptance.open(), acceptance.open()];
  for (let times = 0; times < 5; times += 1) for (const request of requests) request.refused(error);
  expect(acceptance.health).toMatchObject({ ready: false, lastError: expect.stringContaining(advice) });
  expect(lines).toEqual([expect.stringContaining(advice)]);
  requests[0]?.end();
  expect(acceptance.health.ready).toBe(false);
  requests[1]?.end();
  expect(acceptance.health.ready).toBe(true);
  expect(lines.slice(1)).toEqual(['Temporal accepts calls again']);
});

test.each([
  ['an outage', unavailable, 'Start Temporal'],
  ['a rate limit', refusal(grpcCodes.resourceExhausted, 'namespace rate limit exceeded'), 'Raise that limit'],
  ['a run that takes no signals', tooManySignals, 'limit'],
])('%s makes the health red only once it lasts', async (_, error, advice) => {
  const { acceptance } = open({ lastingMs: 50 });
  const request = acceptance.open();
  request.refused(error);
  expect(acceptance.health.ready).toBe(true);
  await vi.waitFor(() => expect(acceptance.health.ready).toBe(false));
  expect(acceptance.health.lastError).toContain(advice);
  request.end();
  expect(acceptance.health.ready).toBe(true);
});

test('a request that is no longer made holds nothing up', async () => {
  const { acceptance } = open();
  const stopping = new AbortController();
  const call = () => Promise.reject(unauthorized);
  const accepted = untilAccepted({ call, acceptance, signal: stopping.signal });
  await vi.waitFor(() => expect(acceptance.health.ready).toBe(false));
  stopping.abort();
  await expect(accepted).rejects.toThrow('aborted');
  expect(acceptance.health.ready).toBe(true);
});

test('what a call says is refused for good', async () => {
  const { acceptance, lines } = open();
  const { accepted } = ask(acceptance, [refusal(grpcCodes.invalidArgument, 'Invalid input.')]);
  await expect(accepted).rejects.toThrow(new ContractViolation('Temporal refuses it: Invalid input'));
  expect([acceptance.health.ready, lines]).toEqual([true, []]);
});

test('work that others repeat is red from a refusal until it succeeds, or until nobody has done it here for a while', async () => {
  const { acceptance } = open();
  const refused = (withinMs: number) => acceptance.repeated(() => Promise.reject(unauthorized), withinMs);
  await expect(refused(600_000)).rejects.toBe(unauthorized);
  expect(acceptance.health.ready).toBe(false);
  await acceptance.repeated(() => Promise.resolve(), 600_000);
  expect(acceptance.health.ready).toBe(true);
  await expect(refused(10)).rejects.toBe(unauthorized);
  await vi.waitFor(() => expect(acceptance.health.ready).toBe(true));
  await expect(acceptance.repeated(() => Promise.reject(unavailable), 600_000)).rejects.toBe(unavailable);
  expect(acceptance.health.ready).toBe(true);
});
