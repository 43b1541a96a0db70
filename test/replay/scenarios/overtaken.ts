import { randomUUID } from 'node:crypto';
import { killAgent } from '../../support/process-agents.ts';
import type { Scenarios } from './scenario.ts';

/**
 * A row deleted and inserted again under its id, as stopped, whose deletion is heard too late: the generation of the new row
 * is that of the old one, so what is known of the old one is taken to be about the new one.
 */
export const overtaken: Scenarios = {
  'anew-as-stopped-unheard-while-running': {
    shows: ['current × stopped'],
    play: async (stage) => {
      const id = await stage.insertUntil('running', await stage.rig.publishAgent());
      await stage.reinsertOvertaken(id);
      await stage.untilRecorded(id, 'stopped');
      await stage.startAll();
      return id;
    },
  },
  'anew-as-stopped-unheard-when-failed': {
    shows: ['failed × stopped'],
    play: async (stage) => {
      const id = await stage.insertUntil('failed', await stage.rig.publishAgent({ command: ['no-such-command'] }));
      await stage.reinsertOvertaken(id);
      await stage.untilRecorded(id, 'stopped');
      await stage.startAll();
      return id;
    },
  },
  'anew-as-stopped-unheard-when-it-ends': {
    shows: ['failedUncertain × stopped'],
    play: async (stage) => {
      const id = await stage.insertUntil('running', await stage.rig.publishAgent());
      const runtimeId = await stage.runtimeIdOf(id);
      await stage.stopWorker();
      const message = 'The agent ended with exit code 3.';
      await stage.tell(id, { type: 'runtimeExited', runtimeId, kind: 'exited', failed: true, message });
      await stage.reinsertOvertaken(id);
      await stage.startAll();
      await stage.untilRecorded(id, 'stopped');
      return id;
    },
  },
  'anew-as-stopped-unheard-before-its-restart': {
    shows: ['restarting × stopped'],
    play: async (stage) => {
      const restart = { policy: 'always', backoff_seconds: 60 };
      const id = await stage.insertUntil('running', await stage.rig.publishAgent({ restart }));
      await killAgent(id);
      await stage.untilRecorded(id, 'pending');
      await stage.reinsertOvertaken(id);
      await stage.untilState(id, ({ wanted }) => wanted.kind === 'present' && wanted.desiredState === 'stopped');
      await stage.startAll();
      await stage.deleteAndComplete(id);
      return id;
    },
  },
  'anew-as-stopped-unheard-while-its-agent-is-awaited': {
    shows: ['awaitingAgent × stopped'],
    play: async (stage) => {
      const id = await stage.insert(randomUUID());
      await stage.untilState(id, ({ recorded }) => recorded.reason?.code === 'agent_unknown');
      await stage.reinsertOvertaken(id);
      await stage.untilRecorded(id, 'stopped');
      await stage.startAll();
      return id;
    },
  },
  'anew-as-stopped-unheard-while-its-agent-is-looked-for': {
    shows: ['awaitingAgentUncertain × stopped'],
    play: async (stage) => {
      const id = await stage.withoutAnswerToProvision(randomUUID(), async (pending) => {
        await stage.reinsertOvertaken(pending);
        await stage.untilState(pending, ({ wanted }) => wanted.kind === 'present' && wanted.desiredState === 'stopped');
      });
      await stage.startAll();
      await stage.untilRecorded(id, 'stopped');
      return id;
    },
  },
};
