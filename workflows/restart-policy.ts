/**
 * The restart policy decides what follows when an agent ends although nobody asked it to stop.
 *
 * - **What counts.** An agent that exited counts, under `on_failure` only when it exited with an error. A lost agent (nobody
 *   watched it end, as after a reboot of the host) does not count: it is started again at once, under every policy. Neither
 *   does the exit of an agent that was about to be stopped or replaced.
 * - **The backoff.** The first restart waits for `backoffMs`. Each further restart in a row waits twice as long, up to
 *   `maxBackoffMs`. The instance is `pending` meanwhile, with the reason `restarting`.
 * - **The reset.** The count goes back to 0 when the agent ran for `resetAfterMs`, and when `evolve` sees a new generation, a
 *   request for a retry or another row of the same id.
 * - **Giving up.** After `maxRestarts` restarts in a row, or at once when the policy allows none, the instance becomes `failed`
 *   with the reason `agent_exited`.
 *
 * Whoever publishes the agent sets the policy in its spec (`restart`, in seconds); `provision` hands it to the workflow.
 */
export interface RestartPolicy {
  policy: 'never' | 'on_failure' | 'always';
  maxRestarts: number;
  backoffMs: number;
  maxBackoffMs: number;
  resetAfterMs: number;
}

/** An agent that exited by itself. */
export interface Exit {
  failed: boolean;
  /** What the runtime says about the exit, as a sentence. */
  message: string;
  ranForMs: number;
  /** Restarts in a row before this exit. */
  restarts: number;
}

export type AfterExit =
  | { next: 'restart'; restarts: number; pauseMs: number; message: string }
  /** The instance becomes `failed`. */
  | { next: 'giveUp'; message: string };

export function afterExit(restart: RestartPolicy, { failed, message, ranForMs, restarts }: Exit): AfterExit {
  const mayRestart = restart.policy === 'always' || (restart.policy === 'on_failure' && failed);
  if (!mayRestart) return { next: 'giveUp', message };
  const inARow = ranForMs >= restart.resetAfterMs ? 0 : restarts;
  if (inARow >= restart.maxRestarts)
    return { next: 'giveUp', message: `${message} It was restarted ${inARow} times in a row.` };
  const pauseMs = Math.min(restart.backoffMs * 2 ** inARow, restart.maxBackoffMs);
  return {
    next: 'restart',
    restarts: inARow + 1,
    pauseMs,
    message: `${message} Restart ${inARow + 1} of ${restart.maxRestarts} after ${pauseMs / 1000} s.`,
  };
}
