import { errorMessage } from '../supervision/errors.ts';

/** Exit codes of the command line; 0 is success. */
export const exitCodes = {
  /** The command could not be done; a check found something. */
  error: 1,
  /** The command line is wrong, and nothing was tried; a check could not be carried out. */
  usage: 2,
  /** `--wait`: the instance became `failed`, the rollout was not completed, or the build was not promoted. */
  failed: 3,
  /** `--wait`: not done within the timeout; the engine goes on. */
  timedOut: 4,
} as const;

/** The message is a sentence that tells the person at the terminal what to do. An empty message prints nothing. */
export class CommandError extends Error {
  override name = 'CommandError';
  readonly exitCode: number;

  constructor(message: string, { exitCode = exitCodes.error, cause }: { exitCode?: number; cause?: unknown } = {}) {
    super(message, { cause });
    this.exitCode = exitCode;
  }
}

/** Ends a check for pipelines with exit code 0 when it holds, 1 when it does not, and 2 when it could not be carried out. */
export async function concludeCheck(check: () => Promise<boolean>): Promise<void> {
  const holds = await check().catch((error: unknown) => {
    throw new CommandError(`Not checked: ${errorMessage(error)}`, { exitCode: exitCodes.usage, cause: error });
  });
  if (!holds) throw new CommandError('');
}
