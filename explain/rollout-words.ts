import { z } from 'zod';
import { rolloutReasonCodes, rolloutStatuses, type RolloutReasonCode } from '../contracts/names.ts';
import { counter, type Queryable } from '../database/instances/view.ts';

const move = z.object({
  rollout_id: z.string(),
  version: z.string(),
  status: z.enum(rolloutStatuses),
  reason_code: z.enum(rolloutReasonCodes).nullable().catch(null),
  generation: counter,
  reverted_generation: counter.nullable(),
});
type Move = z.infer<typeof move>;

/** Reads what rollouts did to an instance, in words, by the generation that came of it. */
export async function readMoves(database: Queryable, instanceId: string): Promise<ReadonlyMap<number, string>> {
  const { rows } = await database.query(
    `select rollout_id, version, status, reason_code, generation, reverted_generation from instance_rollouts where instance_id = $1`,
    [instanceId],
  );
  return new Map(rows.flatMap((row) => wordsOf(move.parse(row))));
}

function wordsOf({ rollout_id: id, version, status, reason_code: code, ...generations }: Move): [number, string][] {
  const { generation, reverted_generation: reverted } = generations;
  const moved: [number, string] = [generation, `moved by the rollout ${id} of version ${version}`];
  if (reverted === null) return [moved];
  const why = code === null ? '' : `, because ${reasons[code]}`;
  const isGoingOn = status === 'rolling_back' ? 'is being rolled back' : 'went back';
  // An instance that was inserted during the rollout was not moved by it.
  const given: [number, string] = [reverted, `given its version back by the rollout ${id}, which ${isGoingOn}${why}`];
  return generation === reverted ? [given] : [moved, given];
}

const reasons: Readonly<Record<RolloutReasonCode, string>> = {
  canary_failed: 'an instance of its canary failed (canary_failed)',
  too_many_failures: 'too many of the moved instances failed (too_many_failures)',
  no_progress: 'no instance became healthy for too long (no_progress)',
  aborted: 'somebody aborted it (aborted)',
  agent_retired: 'the agent was retired (agent_retired)',
  version_withdrawn: 'the version was withdrawn (version_withdrawn)',
  invalid_strategy: 'its strategy cannot be followed (invalid_strategy)',
  superseded: 'a newer rollout took over (superseded)',
  awaiting_promotion: 'it awaits its promotion (awaiting_promotion)',
  paused: 'it is paused (paused)',
};
