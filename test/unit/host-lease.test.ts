import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { bootSeconds } from '../../runtimes/boot-clock.ts';
import { hasHeldSince, lapsesAt, readLeaseStamp, writeLeaseStamp } from '../../runtimes/host-lease.ts';

let directory: string;
let file: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'host-lease-'));
  file = join(directory, '.lease');
});
afterEach(() => rm(directory, { recursive: true }));

/** Resolves at a time that the coarse clock tells from the time of the call. */
async function laterOn(): Promise<number> {
  const called = bootSeconds();
  await vi.waitUntil(() => bootSeconds() > called, { interval: 1 });
  return bootSeconds();
}

const secondsAgo = (seconds: number): number => bootSeconds() - seconds;

test('a lease holds from its first renewal on, and only until it runs out', async () => {
  const before = bootSeconds();
  expect(hasHeldSince(file, before)).toBe(false);
  writeLeaseStamp(file, { sentAt: bootSeconds(), leaseSeconds: 0.2 });
  expect(hasHeldSince(file, before)).toBe(false);
  const since = await laterOn();
  expect(hasHeldSince(file, since)).toBe(true);
  await vi.waitUntil(() => !hasHeldSince(file, since), { interval: 10 });
  expect(bootSeconds()).toBeGreaterThan(lapsesAt(readLeaseStamp(file) ?? { sentAt: NaN, leaseSeconds: NaN }));
});

test('a renewal in time leaves no gap, and one that came too late does, when it was sent in time, too', async () => {
  writeLeaseStamp(file, { sentAt: secondsAgo(10), leaseSeconds: 15 });
  const since = await laterOn();
  writeLeaseStamp(file, { sentAt: secondsAgo(5), leaseSeconds: 15 });
  expect(hasHeldSince(file, since)).toBe(true);

  await rm(file);
  writeLeaseStamp(file, { sentAt: secondsAgo(20), leaseSeconds: 15 });
  const begunInTheGap = await laterOn();
  writeLeaseStamp(file, { sentAt: secondsAgo(10), leaseSeconds: 15 });
  expect(hasHeldSince(file, begunInTheGap)).toBe(false);
  expect(hasHeldSince(file, await laterOn())).toBe(true);
});

test('an answer that another worker overtook changes nothing', async () => {
  writeLeaseStamp(file, { sentAt: secondsAgo(1), leaseSeconds: 15 });
  const stamp = readLeaseStamp(file);
  writeLeaseStamp(file, { sentAt: secondsAgo(2), leaseSeconds: 1 });
  expect(readLeaseStamp(file)).toEqual(stamp);
});

test.each([
  ['of an earlier boot', { boot: 'earlier', sentAt: 0, leaseSeconds: 1e9, heldSince: 0 }],
  ['from the future', { sentAt: 1e12 }],
  ['without its times', { sentAt: undefined }],
])('a stamp %s counts as none, and a renewal replaces it', async (_, change) => {
  writeLeaseStamp(file, { sentAt: bootSeconds(), leaseSeconds: 15 });
  await writeFile(file, JSON.stringify({ ...readLeaseStamp(file), ...change }));
  expect(readLeaseStamp(file)).toBeUndefined();
  writeLeaseStamp(file, { sentAt: bootSeconds(), leaseSeconds: 15 });
  expect(hasHeldSince(file, await laterOn())).toBe(true);
});
