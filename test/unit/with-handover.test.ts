import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { CleanUpInput, StepContext } from '../../activities/steps.ts';
import { StillUnderWay, withHandover, type LastingSteps } from '../../activities/with-handover.ts';

const input: CleanUpInput = { instanceId: 'instance', reason: 'stopped' };
const patienceMs = 10;

let begun: { signal: AbortSignal; succeed: () => void; fail: (error: Error) => void }[];
let steps: LastingSteps;
let cancel: AbortController;

beforeEach(() => {
  begun = [];
  cancel = new AbortController();
  steps = withHandover({
    provision: async () => ({ outcome: 'gone' }),
    cleanUp: (_, { signal }) =>
      new Promise((resolve, reject) => {
        begun.push({ signal, succeed: resolve, fail: reject });
        signal.addEventListener('abort', () => reject(signal.reason));
      }),
  });
});

afterEach(() => vi.useRealTimers());

const activity = (own: Partial<StepContext> = {}): StepContext => ({
  signal: cancel.signal,
  heartbeat: () => undefined,
  ...own,
});
const inPassing = () => steps.cleanUp(input, activity({ patienceMs }));

test('a step that takes longer in passing goes on, and the next call waits for it', async () => {
  await expect(inPassing()).rejects.toBeInstanceOf(StillUnderWay);
  const next = steps.cleanUp(input, activity());
  begun[0]?.succeed();
  await next;
  expect(begun).toHaveLength(1);
});

test('a failure meanwhile is what the next call gets, once', async () => {
  await expect(inPassing()).rejects.toBeInstanceOf(StillUnderWay);
  begun[0]?.fail(new Error('It will not end.'));
  await expect(steps.cleanUp(input, activity())).rejects.toThrow('It will not end.');
  expect(begun).toHaveLength(1);
  const again = steps.cleanUp(input, activity());
  await vi.waitFor(() => expect(begun).toHaveLength(2));
  begun[1]?.succeed();
  await again;
});

test('a step that succeeded meanwhile is taken again, because another worker may have changed its work since', async () => {
  await expect(inPassing()).rejects.toBeInstanceOf(StillUnderWay);
  begun[0]?.succeed();
  await setImmediate();
  const next = steps.cleanUp(input, activity());
  await vi.waitFor(() => expect(begun).toHaveLength(2));
  begun[1]?.succeed();
  await next;
});

test('a step that fails in passing has failed once', async () => {
  const passing = inPassing();
  await vi.waitFor(() => expect(begun).toHaveLength(1));
  begun[0]?.fail(new Error('It will not end.'));
  await expect(passing).rejects.toThrow('It will not end.');
  await expect(steps.cleanUp(input, activity())).rejects.toThrow('It will not end.');
  expect(begun).toHaveLength(1);
});

test('a step that succeeded in passing is not handed over', async () => {
  const passing = inPassing();
  await vi.waitFor(() => expect(begun).toHaveLength(1));
  begun[0]?.succeed();
  await passing;
  const next = steps.cleanUp(input, activity());
  await vi.waitFor(() => expect(begun).toHaveLength(2));
  begun[1]?.succeed();
  await next;
});

test('another step of the instance ends it first', async () => {
  await expect(inPassing()).rejects.toBeInstanceOf(StillUnderWay);
  const other = { instanceId: input.instanceId, generation: 2, resumeGeneration: null };
  expect(await steps.provision(other, activity())).toEqual({ outcome: 'gone' });
  expect(begun[0]?.signal.aborted).toBe(true);
});

test('an agent that was asked to end is not asked again for another reason', async () => {
  await expect(inPassing()).rejects.toBeInstanceOf(StillUnderWay);
  const deletion = steps.cleanUp({ ...input, reason: 'deleted' }, activity());
  begun[0]?.succeed();
  await deletion;
  expect(begun).toHaveLength(1);
});

test('a cancellation of the call that waits ends the step', async () => {
  await expect(inPassing()).rejects.toBeInstanceOf(StillUnderWay);
  const next = steps.cleanUp(input, activity());
  const cancelled = new Error('cancelled');
  cancel.abort(cancelled);
  await expect(next).rejects.toBe(cancelled);
});

test('a step that nobody takes over is ended', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const passing = inPassing();
  passing.catch(() => undefined);
  await vi.advanceTimersByTimeAsync(patienceMs);
  await expect(passing).rejects.toBeInstanceOf(StillUnderWay);
  vi.advanceTimersByTime(4_000);
  expect(begun[0]?.signal.aborted).toBe(false);
  vi.advanceTimersByTime(2_000);
  expect(begun[0]?.signal.aborted).toBe(true);
});

test('a worker that stops ends what goes on without an activity', async () => {
  await expect(inPassing()).rejects.toBeInstanceOf(StillUnderWay);
  await steps.end();
  expect(begun[0]?.signal.aborted).toBe(true);
});

test('whoever waits gives signs of life', async () => {
  const heartbeat = vi.fn<() => void>();
  const waiting = steps.cleanUp(input, activity({ heartbeat }));
  await vi.waitFor(() => expect(heartbeat).toHaveBeenCalled());
  begun[0]?.succeed();
  await waiting;
});
