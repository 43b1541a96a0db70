import type { HostJson } from '../database/hosts/host-json.ts';
import { duration } from '../explain/duration.ts';
import { plainLine } from './plain-text.ts';
import { clipped, colors, fittingTable, type Column as ColumnOf, type Layout } from './terminal.ts';

type Column = ColumnOf<HostJson>;

/** A terminal gets the first of several forms that fits its width, a file or a pipe gets everything. */
export function toHostTable(hosts: readonly HostJson[], { formatTime, width }: Layout): string[] {
  const id = (length?: number): Column => ({ head: 'ID', cell: (host) => host.id.slice(0, length) });
  const name = (length?: number): Column => ({
    head: 'NAME',
    cell: (host) => clipped(plainLine(host.name), length),
  });
  const runtime: Column = { head: 'RUNTIME', cell: (host) => host.runtime };
  const placed: Column = { head: 'PLACED', cell: placedOf };
  const lease: Column = { head: 'LEASE', cell: leaseWith(({ until }) => `since ${formatTime(new Date(until))}`) };
  const leaseInShort: Column = {
    head: 'LEASE',
    cell: leaseWith(({ seconds_left: left }) => `${duration(-left * 1_000)} ago`),
  };
  const workers: Column = { head: 'WORKERS', cell: workersOf };
  const workerCount: Column = { head: 'WORKERS', cell: (host) => String(host.workers.length) };
  const drain: Column = {
    head: 'DRAIN',
    cell: (host) => (host.drain ? colors.yellow(drainInWords(host)) : ''),
  };
  const labels: Column = { head: 'LABELS', cell: labelsOf };
  return fittingTable(
    hosts,
    [
      [id(), name(), runtime, placed, lease, workers, labels, drain],
      [id(8), name(24), runtime, placed, lease, workerCount, labels, drain],
      [id(8), name(16), runtime, placed, leaseInShort, drain],
    ],
    width,
  );
}

/** How far a drain is, e.g. `2 of 5 move, 1 waits: it fits on no other host`. */
export function drainInWords({ drain }: HostJson): string {
  if (!drain) return 'does not drain';
  const { left, moving, waiting } = drain;
  if (left === 0) return 'drained';
  return [
    `${left} left`,
    `${moving} moving`,
    ...(waiting > 0 ? [`${waiting} waiting, because no other host fits`] : []),
  ].join(', ');
}

function leaseWith(when: (lease: HostJson['lease']) => string): Column['cell'] {
  return ({ lease, is_forgotten: isForgotten }) => {
    if (isForgotten) return colors.red('forgotten');
    return lease.holds
      ? colors.green(`holds for ${duration(lease.seconds_left * 1_000)}`)
      : colors.red(`lost ${when(lease)}`);
  };
}

function placedOf({ placed, capacity }: HostJson): string {
  return capacity === null ? String(placed) : `${placed}/${capacity}`;
}

function workersOf({ workers }: HostJson): string {
  const builds = [...new Set(workers.map(({ build }) => plainLine(build)))];
  return builds.length === 0 ? '0' : `${workers.length} (${builds.join(', ')})`;
}

function labelsOf({ labels }: HostJson): string {
  return plainLine(
    Object.entries(labels)
      .map(([name, value]) => `${name}=${value}`)
      .join(','),
  );
}
