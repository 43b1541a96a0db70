import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { z } from 'zod';
import { bootId, bootSeconds } from './boot-clock.ts';

/** A renewal of the host's lease that PostgreSQL has accepted. */
export interface LeaseRenewal {
  /** When the renewal was sent, on the clock of `bootSeconds`. The lease cannot have begun before. */
  sentAt: number;
  leaseSeconds: number;
}

/** Tells the processes of this machine whether the lease of the host holds. All workers of a host share one. */
export interface HostLease {
  /** Notes a renewal. It ends agents first whose host was replaceable before, so it may take a second. */
  renewed: (renewal: LeaseRenewal) => Promise<void>;
  /**
   * True when the lease holds now, and held without a gap since that time on the clock of `bootSeconds`. An activity takes
   * the time before it reads the placement; then no other host can have got the instance since. Synchronous, so that
   * nothing comes between the answer and a start.
   */
  hasHeldSince: (time: number) => boolean;
}

const stampSchema = z.object({
  boot: z.string(),
  sentAt: z.number(),
  leaseSeconds: z.number().positive(),
  /** Since when the lease has held without a gap. */
  heldSince: z.number(),
});

/** What the file says about the latest renewal. */
export type LeaseStamp = z.infer<typeof stampSchema>;

/** The stamp of this boot. Undefined when there is none, or when it cannot be read: the lease then counts as lapsed. */
export function readLeaseStamp(file: string): LeaseStamp | undefined {
  try {
    const stamp = stampSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
    return stamp.boot === bootId() && stamp.sentAt <= bootSeconds() ? stamp : undefined;
  } catch {
    return undefined;
  }
}

/** When the lease runs out unless it is renewed, on the clock of `bootSeconds`. Never later than in PostgreSQL. */
export function lapsesAt({ sentAt, leaseSeconds }: LeaseRenewal): number {
  return sentAt + leaseSeconds;
}

/** Replaces the stamp, unless another worker of the host has noted a later renewal. */
export function writeLeaseStamp(file: string, { sentAt, leaseSeconds }: LeaseRenewal): void {
  const before = readLeaseStamp(file);
  if (before && before.sentAt >= sentAt) return;
  const now = bootSeconds();
  // PostgreSQL renewed the lease at some time before now, which may be after the lease had run out.
  const heldSince = before && now <= lapsesAt(before) ? before.heldSince : now;
  const stamp: LeaseStamp = { boot: bootId(), sentAt, leaseSeconds, heldSince };
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, JSON.stringify(stamp), { mode: 0o600 });
  renameSync(draft, file);
}

export function hasHeldSince(file: string, time: number): boolean {
  const stamp = readLeaseStamp(file);
  // The clock is coarse, so an equal time may have been before.
  return stamp !== undefined && stamp.heldSince < time && bootSeconds() <= lapsesAt(stamp);
}
