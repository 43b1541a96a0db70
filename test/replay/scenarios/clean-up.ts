import type { Scenarios } from './scenario.ts';

/** Clean-up that does not succeed. */
export const cleanUp: Scenarios = {
  'cannot-be-cleaned-up-when-stopped': {
    shows: ['stuck × stopped'],
    play: async (stage) => {
      const { agentId, becomeReady } = await stage.publishObedient({ stubborn: true });
      await becomeReady();
      const id = await stage.insertUntil('running', agentId);
      await stage.want(id, 'stopped');
      await stage.failActivity(id, 'cleanUp');
      await stage.untilRecorded(id, 'failed', 2);
      await stage.tell(id, { type: 'retryRequested', requestId: 'first' });
      await stage.untilRecorded(id, 'stopped', 2);
      return id;
    },
  },
  'cannot-be-cleaned-up-when-drained': {
    shows: ['stuck × running'],
    play: async (stage) => {
      const { agentId, becomeReady } = await stage.publishObedient({ stubborn: true });
      await becomeReady();
      const id = await stage.insertUntil('running', agentId);
      await stage.retire(agentId, true);
      await stage.failActivity(id, 'cleanUp');
      await stage.untilRecorded(id, 'failed');
      return id;
    },
  },
  'cannot-be-cleaned-up-when-deleted': {
    shows: ['stuck × gone'],
    play: async (stage) => {
      const { agentId, becomeReady } = await stage.publishObedient({ stubborn: true });
      await becomeReady();
      const id = await stage.insertUntil('running', agentId);
      await stage.rig.deleteInstance(id);
      await stage.failActivity(id, 'cleanUp');
      await stage.untilState(id, ({ obstacle }) => obstacle?.kind === 'stuck');
      await stage.tell(id, { type: 'retryRequested', requestId: 'first' });
      await stage.rig.workflow(id).result();
      return id;
    },
  },
};
