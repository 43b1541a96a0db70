import type { Client } from 'pg';
import { VersionRefused } from '../database/agents/versions.ts';
import { listRollouts, readRollout } from '../database/rollouts/list.ts';
import { RolloutRefused } from '../database/rollouts/request.ts';
import type { RolloutWithWaves } from '../database/rollouts/rollout-json.ts';
import { chooseAgent } from './agents.ts';
import { CommandError } from './command-error.ts';
import { withDatabase } from './database.ts';
import { toIdPrefix } from './ids.ts';
import { plainLine } from './plain-text.ts';

const shownCandidates = 5;

/** The same as `withDatabase`, for work that may be refused. */
export function withRollouts<Result>(work: (client: Client) => Promise<Result>): Promise<Result> {
  return withDatabase((client) =>
    work(client).catch((error: unknown) => {
      const isRefused = error instanceof RolloutRefused || error instanceof VersionRefused;
      throw isRefused ? new CommandError(plainLine(error.message), { cause: error }) : error;
    }),
  );
}

/**
 * Finds the only rollout whose id begins like that, or that of an agent: the active one, or else the latest.
 *
 * @throws CommandError when none or several fit
 */
export async function resolveRollout(client: Client, typed: string): Promise<string> {
  const prefix = toIdPrefix(typed);
  const found = prefix ? await listRollouts(client, { ids: prefix, limit: shownCandidates + 1 }) : [];
  if (found.length > 1) {
    const shown = found.slice(0, shownCandidates).map(({ id }) => id);
    const more = found.length > shownCandidates ? ' and more' : '';
    throw new CommandError(`Several rollouts begin with ${typed}: ${shown.join(', ')}${more}. Give more of the id.`);
  }
  if (found[0]) return found[0].id;
  const rollouts = await listRollouts(client, { agentIds: [await chooseAgent(client, typed)], limit: 1_000 });
  const rollout = rollouts.find(({ status, ended_at: end }) => end === null && status !== 'queued') ?? rollouts[0];
  if (!rollout)
    throw new CommandError(`There is no rollout ${typed}, nor of ${typed}. See npx instances rollouts list.`);
  return rollout.id;
}

/** @throws CommandError when the rollout is gone */
export async function readOne(client: Client, id: string): Promise<RolloutWithWaves> {
  const rollout = await readRollout(client, id);
  if (!rollout) throw new CommandError(`The rollout ${id} was deleted meanwhile, perhaps with its agent.`);
  return rollout;
}
