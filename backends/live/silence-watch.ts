export interface SilenceWatchOptions {
  /** The position up to which all events have arrived. */
  position: () => number;
  /** The highest position of the log. */
  readHead: () => Promise<number>;
  /** The highest position up to which all entries above the given one were published. */
  readPublished: (after: number) => Promise<number>;
  /** Whether the queue lost an event of at most this position. Slowness of the queue or of this process is no loss. */
  hasLost: (upTo: number) => Promise<boolean>;
  silenceMs: number;
  pollMs: number;
}

export interface SilenceWatch {
  /** Tells the watch that an event of this position exists. */
  expect(position: number): void;
  /**
   * Rejects when a published event did not arrive within `silenceMs` and is lost, when the log cannot be read, or when it ends below
   * the arrived position because an older copy of the database replaced it.
   */
  silent: Promise<never>;
  end(): void;
}

/** Detects that a queue brings no events any more. A queue that lost its bindings reports no error, so the log is asked. */
export function watchSilence({
  position,
  readHead,
  readPublished,
  hasLost,
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
      // Any publisher could have forged the position in a header.
      const known = Math.min(awaited, await readPublished(position()));
      if (position() < known && (await hasLost(known)))
        throw new Error(`its queue did not bring position ${known} within ${silenceMs} ms`);
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
