import { readFileSync } from 'node:fs';
import { uptime } from 'node:os';

/**
 * Seconds since this machine was booted, with a resolution of 10 ms on Linux. Nobody can set this clock, it goes on while
 * the machine is suspended, and all processes of the machine share it. Its times mean nothing on another machine.
 */
export function bootSeconds(): number {
  return uptime();
}

let id: string | undefined;

/** Identifies the boot in which a time of `bootSeconds` was taken. Only Linux tells it. */
export function bootId(): string {
  try {
    id ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    id = 'unknown';
  }
  return id;
}
