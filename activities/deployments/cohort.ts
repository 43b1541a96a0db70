import { fingerprint32 } from 'farmhash-modern';

/**
 * Where a workflow is on the scale of ramps, from 0 to 100: a ramp of that percentage or more carries it. The server computes the same,
 * so a ramp that grows never gives a workflow back.
 */
function rampPositionOf(workflowId: string): number {
  return (fingerprint32(workflowId) / 2 ** 32) * 100;
}

/** Whether a ramp of that percentage carries the workflow. */
export function isInCohort(workflowId: string, percentage: number): boolean {
  return rampPositionOf(workflowId) <= percentage;
}

/** @returns when the first of the ramps that carries the workflow began; undefined if none does */
export function carriedSince(
  workflowId: string,
  ramps: readonly { percentage: number; at: string }[] = [],
): string | undefined {
  return ramps.find(({ percentage }) => isInCohort(workflowId, percentage))?.at;
}

/** @returns the smallest percentage from `least` on whose ramp carries so many of the workflows, or all if there are fewer */
export function percentageFor(
  workflowIds: readonly string[],
  { least, count }: { least: number; count: number },
): number {
  const positions = workflowIds.map(rampPositionOf).toSorted((a, b) => a - b);
  const position = positions.at(Math.min(count, positions.length) - 1) ?? 0;
  // Rounded up, because rows and the server have 32-bit floats.
  const needed = count > 0 ? Math.ceil(position * 1_000 + 1) / 1_000 : 0;
  return Math.min(100, Math.max(least, needed));
}
