export interface Way<T> {
  name: string;
  /** What the user can do to make this way work. */
  advice: string;
  /** Undefined: the way does not apply here. A rejection: it was tried and failed, and the next one is tried. */
  find: () => Promise<T | undefined>;
}

export interface Found<T> {
  way: string;
  found: T;
}

/**
 * Tries the ways in order. When none works, the error lists them all, each with the reason why it failed, and ahead of them
 * what the user can do `instead`.
 */
export async function findFirst<T>(
  what: string,
  ways: Way<T>[],
  { instead, signal }: { instead: string; signal?: AbortSignal | undefined },
): Promise<Found<T>> {
  const items = [`- ${instead}`];
  for (const { name, advice, find } of ways) {
    try {
      const found = await find();
      if (found !== undefined) return { way: name, found };
      items.push(`- ${advice}`);
    } catch (error) {
      signal?.throwIfAborted();
      const reason = error instanceof Error ? error.message : String(error);
      items.push(`- ${advice}\n  (tried here: ${reason.replaceAll('\n', '\n  ')})`);
    }
  }
  throw new Error(`${what} was not found. Any one of these will do:\n${items.join('\n')}`);
}
