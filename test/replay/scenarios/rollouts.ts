import { rolloutWorkflowId } from '../../../contracts/names.ts';
import { rolloutsOn } from '../../support/rollouts.ts';
import type { Stage } from '../stage.ts';
import type { Scenarios } from './scenario.ts';

/** Plays a rollout of the version 2 to three instances, until its workflow ends. */
async function play({ rig }: Stage, script: string, during: (rolloutId: string) => Promise<unknown>) {
  const { start, publish, request, quick } = rolloutsOn(rig);
  const { agentId } = await start(3);
  await publish(agentId, '2', { script });
  await during(await request(agentId, '2', { ...quick, min_healthy_seconds: 3, auto_promote: false }));
  const workflow = rig.client.workflow.getHandle(rolloutWorkflowId(agentId));
  await workflow.result();
  return workflow;
}

/** The workflow of an agent's rollouts. */
export const rollouts: Scenarios = {
  'rollout-completes': {
    play: (stage) => {
      const { until, want } = rolloutsOn(stage.rig);
      return play(stage, 'exec sleep 100000', async (id) => {
        await until(id, 'paused', 'awaiting_promotion');
        await want(id, `desired_state = 'paused'`);
        await until(id, 'paused', 'paused');
        await want(id, `desired_state = 'running', promoted = true`);
        await until(id, 'completed');
      });
    },
  },
  'rollout-is-rolled-back': {
    play: (stage) => play(stage, 'exit 3', (id) => rolloutsOn(stage.rig).until(id, 'rolled_back')),
  },
  'rollout-is-aborted': {
    play: (stage) => {
      const { until, want } = rolloutsOn(stage.rig);
      return play(stage, 'exec sleep 100000', async (id) => {
        await until(id, 'paused', 'awaiting_promotion');
        await want(id, `desired_state = 'aborted'`);
        await until(id, 'aborted');
      });
    },
  },
};
