import { killAgent } from '../../support/process-agents.ts';
import type { Scenarios } from './scenario.ts';

const neverAgain = { policy: 'never' };
const lateRestart = { policy: 'on_failure', backoff_seconds: 60 };

/** Agents that end without having been asked to. */
export const ends: Scenarios = {
  'ends-and-is-tried-again': {
    shows: ['failedUncertain × running', 'failed × running'],
    play: async (stage) => {
      const id = await stage.insertUntil('running', await stage.rig.publishAgent({ restart: neverAgain }));
      await killAgent(id);
      await stage.untilRecorded(id, 'failed');
      await stage.tell(id, { type: 'retryRequested', requestId: 'first' });
      await stage.tell(id, { type: 'retryRequested', requestId: 'first' });
      await stage.untilRecorded(id, 'running');
      return id;
    },
  },
  'restarts-up-to-its-limit': {
    shows: ['restarting × running'],
    play: async (stage) => {
      const restart = { policy: 'on_failure', max_restarts: 2, backoff_seconds: 0.1 };
      const id = await stage.insert(
        await stage.rig.publishAgent({ command: ['sh', '-c', 'sleep 0.2; exit 3'], restart }),
      );
      await stage.untilRecorded(id, 'failed');
      return id;
    },
  },
  'config-changes-before-the-restart': {
    shows: ['restarting × running'],
    play: async (stage) => {
      const id = await stage.insertUntil('running', await stage.rig.publishAgent({ restart: lateRestart }));
      await killAgent(id);
      await stage.untilRecorded(id, 'pending');
      await stage.configure(id);
      await stage.untilRecorded(id, 'running', 2);
      return id;
    },
  },
  'waits-for-its-restart': {
    play: async (stage) => {
      const id = await stage.insertUntil('running', await stage.rig.publishAgent({ restart: lateRestart }));
      await killAgent(id);
      await stage.untilRecorded(id, 'pending');
      return id;
    },
  },
  'lost-while-nobody-watched': {
    play: async (stage) => {
      const agentId = await stage.rig.publishAgent();
      const id = await stage.insertUntil('running', agentId);
      // The agent was running, so it may go on.
      await stage.retire(agentId);
      await stage.rig.bus.until(agentId, 'agent.retired');
      await stage.stopWorker();
      await killAgent(id);
      await stage.startAll();
      await stage.untilState(id, ({ runtime }) => runtime.kind !== 'running');
      await stage.untilRecorded(id, 'running');
      return id;
    },
  },
};
