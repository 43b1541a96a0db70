export interface SilenceWatchOptions {
  /** Up to where everything has come. */
  position: () => number;
  /** The highest position that the log knows. */
  readHead: () => Promise<number>;
  silenceMs: number;
  pollMs: number;
}

export interface SilenceWatch {
  /** Says that there is such a position. */
  expect(position: number): void;
  /** Rejects when one that the log knows did not come within `silenceMs`, or when the log cannot be asked. */
  silent: Promise<never>;
  end(): void;
}

/** A queue that is no longer bound says nothing: that something is missing has to be heard elsewhere. */
export function watchSilence({ position, readHead, silenceMs, pollMs }: SilenceWatchOptions): SilenceWatch {
  let fail: (error: unknown) => void = () => undefined;
  const silent = new Promise<never>((_, reject) => {
    fail = reject;
  });
  let newest = 0;
  let timer: NodeJS.Timeout | undefined;

  const check = async (awaited: number): Promise<void> => {
    if (position() < awaited) {
      // Whoever may publish can write any position into a header.
      const known = Math.min(awaited, await readHead());
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
  const poll = setInterval(() => {
    readHead().then(expect, fail);
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
