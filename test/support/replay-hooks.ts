import { globalHandlers } from '@temporalio/worker/lib/workflow/vm-shared.js';

/**
 * Removes the hooks that Temporal's SDK leaves in a process that has replayed. Until then, the SDK compiles and runs code for every
 * promise that the process makes or settles, and every later test takes longer. The next replay installs the hooks again.
 */
export function removeReplayHooks(): void {
  globalHandlers.uninstall();
}
