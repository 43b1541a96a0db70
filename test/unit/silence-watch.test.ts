import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { watchSilence } from '../../backends/live/silence-watch.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function open(at: { position: number; head: number; published?: number; hasLost?: boolean }) {
  const failed = vi.fn<(error: Error) => void>();
  const readHead = async (): Promise<number> => at.head;
  const readPublished = async (): Promise<number> => at.published ?? at.head;
  const hasLost = async (): Promise<boolean> => at.hasLost ?? true;
  const position = (): number => at.position;
  const watch = watchSilence({ position, readHead, readPublished, hasLost, silenceMs: 2_000, pollMs: 10_000 });
  watch.silent.catch(failed);
  return { watch, failed };
}

test('what comes in time is no silence', async () => {
  const at = { position: 1, head: 3 };
  const { watch, failed } = open(at);
  watch.expect(3);
  await vi.advanceTimersByTimeAsync(1_000);
  at.position = 3;
  await vi.advanceTimersByTimeAsync(2_000);
  expect(failed).not.toHaveBeenCalled();
  watch.end();
});

test('what does not come is, also where it was expected while another was awaited', async () => {
  const at = { position: 1, head: 4 };
  const { watch, failed } = open(at);
  watch.expect(3);
  await vi.advanceTimersByTimeAsync(1_000);
  watch.expect(4);
  at.position = 3;
  await vi.advanceTimersByTimeAsync(1_000);
  expect(failed).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(2_000);
  expect(failed).toHaveBeenCalledWith(new Error('its queue did not bring position 4 within 2000 ms'));
  watch.end();
});

test('the log is asked now and then, where nobody says that there is something', async () => {
  const { watch, failed } = open({ position: 1, head: 2 });
  await vi.advanceTimersByTimeAsync(12_000);
  expect(failed).toHaveBeenCalledTimes(1);
  watch.end();
});

test('what has its place in the log and is not on the bus yet is not waited for', async () => {
  const at = { position: 1, head: 3, published: 1 };
  const { watch, failed } = open(at);
  watch.expect(3);
  await vi.advanceTimersByTimeAsync(32_000);
  expect(failed).not.toHaveBeenCalled();
  at.published = 3;
  await vi.advanceTimersByTimeAsync(12_000);
  expect(failed).toHaveBeenCalledTimes(1);
  watch.end();
});

test('what comes late but is not lost is waited for, until it comes or is lost', async () => {
  const at = { position: 1, head: 3, hasLost: false };
  const { watch, failed } = open(at);
  watch.expect(3);
  await vi.advanceTimersByTimeAsync(9_000);
  expect(failed).not.toHaveBeenCalled();
  at.hasLost = true;
  await vi.advanceTimersByTimeAsync(2_000);
  expect(failed).toHaveBeenCalledTimes(1);
  watch.end();
});

test('a position that the log does not know is not waited for', async () => {
  const at = { position: 2, head: 2 };
  const { watch, failed } = open(at);
  watch.expect(1_000_000);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(failed).not.toHaveBeenCalled();
  at.head = 3;
  watch.expect(3);
  await vi.advanceTimersByTimeAsync(2_000);
  expect(failed).toHaveBeenCalledTimes(1);
  watch.end();
});

test('a log that ends before what has come was set back', async () => {
  const at = { position: 7, head: 4 };
  const { watch, failed } = open(at);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(failed).toHaveBeenCalledWith(
    new Error('the event log ends at position 4, before what has come: it was set back'),
  );
  watch.end();
});
