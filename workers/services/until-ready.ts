import { setTimeout as delay } from 'node:timers/promises';
import type { Part } from '../health.ts';

const pollMs = 20;

export async function untilReady(parts: readonly Part[]): Promise<void> {
  while (!parts.every(({ health }) => health.ready)) await delay(pollMs);
}
