import { randomUUID } from 'node:crypto';
import type { Scenarios } from './scenario.ts';

const drained = {
  type: 'agentDrained',
  message: 'The agent was retired, and its instances are drained.',
} as const;

/** Publication and retirement of an instance's agent. */
export const agents: Scenarios = {
  'agent-is-published-later': {
    shows: ['awaitingAgentUncertain × running', 'awaitingAgent × running'],
    play: async (stage) => {
      const agentId = randomUUID();
      const id = await stage.insert(agentId);
      await stage.untilState(id, ({ recorded }) => recorded.reason?.code === 'agent_unknown');
      await stage.publishLate(agentId);
      await stage.untilRecorded(id, 'running');
      return id;
    },
  },
  'agent-is-published-while-it-is-looked-for': {
    play: async (stage) => {
      // The insert itself looks for the agent, too.
      await stage.stopBroker();
      const id = await stage.insert(randomUUID());
      await stage.whileAgentsAreLocked(async () => {
        await stage.start(id, await stage.latestMessage(id));
        await stage.untilPending(id, 'place');
        await stage.tell(id, { type: 'agentPublished' });
      });
      await stage.untilState(id, ({ recorded }) => recorded.reason?.code === 'agent_unknown');
      await stage.startAll();
      return id;
    },
  },
  'deleted-while-its-agent-is-awaited': {
    play: async (stage) => {
      const id = await stage.insert(randomUUID());
      await stage.untilState(id, ({ recorded }) => recorded.reason?.code === 'agent_unknown');
      await stage.deleteAndComplete(id);
      return id;
    },
  },
  'agent-was-retired': {
    play: async (stage) => {
      const agentId = await stage.rig.publishAgent();
      await stage.retire(agentId);
      return stage.insertUntil('failed', agentId);
    },
  },
  'drained-while-running': {
    shows: ['drainedUncertain × running', 'drained × running'],
    play: async (stage) => {
      const agentId = await stage.rig.publishAgent();
      const id = await stage.insertUntil('running', agentId);
      await stage.retire(agentId, true);
      await stage.untilRecorded(id, 'stopped');
      await stage.tell(id, { type: 'retryRequested', requestId: 'first' });
      await stage.untilRecorded(id, 'failed');
      return id;
    },
  },
  'drained-while-stopping-unheard-of-the-next-start': {
    shows: ['drainedUncertain × stopped'],
    play: async (stage) => {
      const id = await stage.insertUntil('running', await stage.rig.publishAgent());
      await stage.stopWorker();
      await stage.want(id, 'stopped');
      await stage.tell(id, await stage.latestMessage(id));
      // The drain names a later generation, which the workflow does not know yet.
      await stage.stopBroker();
      await stage.want(id, 'running');
      await stage.tell(id, { ...drained, generation: 3 });
      await stage.startWorker();
      await stage.untilRecorded(id, 'stopped', 3);
      await stage.startAll();
      return id;
    },
  },
  'drained-unheard-of-the-next-start-after-the-row-was-read': {
    shows: ['drained × stopped'],
    play: async (stage) => {
      const { agentId, becomeReady } = await stage.publishObedient({ stubborn: true });
      await becomeReady();
      const id = await stage.insertUntil('running', agentId);
      await stage.want(id, 'stopped');
      await stage.untilPending(id, 'cleanUp');
      await stage.stopBroker();
      await stage.want(id, 'running');
      await stage.tell(id, { ...drained, generation: 3 });
      await stage.untilRecorded(id, 'stopped', 3);
      await stage.startAll();
      return id;
    },
  },
};
