/** What a caller can tell from the exit code; 0 is success. */
export const exitCodes = {
  /** It could not be done. */
  error: 1,
  /** The command line is wrong; nothing was tried. */
  usage: 2,
  /** `--wait`: the instance became `failed`. */
  instanceFailed: 3,
  /** `--wait`: not done within the timeout; it goes on. */
  timedOut: 4,
} as const;

/** A sentence for the person at the terminal, which says what to do. */
export class CommandError extends Error {
  override name = 'CommandError';
  readonly exitCode: number;

  constructor(message: string, { exitCode = exitCodes.error, cause }: { exitCode?: number; cause?: unknown } = {}) {
    super(message, { cause });
    this.exitCode = exitCode;
  }
}
