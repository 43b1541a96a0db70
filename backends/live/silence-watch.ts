export interface SilenceWatchOptions {
  /** Up to where everything has come. */
  position: () => number;
  /** The highest position that the log knows. */
  readHead: () => Promise<number>;
  /** The highest position up to which everything behind the given one is on the bus. */
  readPublished: (after: number) => Promise<number>;
  silenceMs: number;
  pollMs: number;
}

export interface SilenceWatch {
  /** Says that there is such a position. */
  expect(position: number): void;
  /**
   * Rejects when one that was published did not come within `silenceMs`, when the log was set back to below what has come
   * (an older copy of the database took its place), or when it cannot be asked.
   */
  silent: Promise<never>;
  end(): void;
}

/** A queue that is no longer bound says nothing: that something is missing has to be heard elsewhere. */
export function watchSilence({
  position,
  readHead,
  readPublished,
  silenceMs,
  pollMs,
}: SilenceWatchOptions): SilenceWatch {
  let fail: (error: unknown) => void = () => undefined;
  const silent = new Promise<never>((_, reject) => {
    fail = reject;
  });
  let newest = 0;
  let timer: NodeJS.Timeout | undefined;

  const check = async (awaited: number): Promise<void> => {
    if (position() < awaited) {
      // Whoever may publish can write any position into a header.
      const known = Math.min(awaited, await readPublished(position()));
      if (position() < known) throw new Error(`its queue did not bring position ${known} within ${silenceMs} ms`);
      if (newest === awaited) newest = known;
    }
    timer = undefined;
    arm();
  };
  const arm = (): void => {
    if (timer !== undefined || newest <= position()) return;
    const awaited = newest;
    timer = setTimeout(() => {
      check(awaited).catch(fail);
    }, silenceMs);
  };
  const expect = (at: number): void => {
    newest = Math.max(newest, at);
    arm();
  };
  const ask = async (): Promise<void> => {
    const before = position();
    const head = await readHead();
    if (head < before) {
      throw new Error(`the event log ends at position ${head}, before what has come: it was set back`);
    }
    expect(await readPublished(before));
  };
  const poll = setInterval(() => {
    ask().catch(fail);
  }, pollMs);

  return {
    expect,
    silent,
    end: () => {
      clearInterval(poll);
      clearTimeout(timer);
      fail(new Error('ended'));
    },
  };
}
