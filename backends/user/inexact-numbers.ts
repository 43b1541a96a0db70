/**
 * The first number of a parsed JSON value that may have been another one in its text: a whole one beyond 2^53, which may
 * have been rounded, or one that was too large for a double.
 */
export function findInexactNumber(value: unknown): number | undefined {
  const open: unknown[] = [value];
  while (open.length > 0) {
    const next = open.pop();
    if (typeof next === 'number') {
      if (!Number.isFinite(next) || (Number.isInteger(next) && !Number.isSafeInteger(next))) return next;
    } else if (typeof next === 'object' && next !== null) {
      for (const inner of Object.values(next)) open.push(inner);
    }
  }
  return undefined;
}
