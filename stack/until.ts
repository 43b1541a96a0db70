import { setTimeout as sleep } from 'node:timers/promises';

/** Polls every 50 ms until the condition holds, and throws its errors. False: it did not hold within the limit. */
export async function until(condition: () => boolean | Promise<boolean>, limitMs = Infinity): Promise<boolean> {
  const deadline = Date.now() + limitMs;
  while (!(await condition())) {
    if (Date.now() >= deadline) return false;
    await sleep(50);
  }
  return true;
}
