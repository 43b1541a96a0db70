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
    play: async (stage) => {
      const { agentId, becomeReady } = await stage.publishObedient({ stubborn: true });
      await becomeReady();
      const id = await stage.insertUntil('running', agentId);
      await stage.rig.deleteInstance(id);
      await stage.failActivity(id, 'cleanUp');
      await stage.untilState(id, ({ runtime }) => runtime.kind === 'none');
      await stage.endPause(id);
      await stage.rig.workflow(id).result();
      return id;
    },
  },
  'cannot-be-cleaned-up-when-deleted-as-it-becomes-ready': {
    shows: ['stuck × gone'],
    play: async (stage) => {
      const { agentId, becomeReady } = await stage.publishObedient({ stubborn: true });
      const id = await stage.insert(agentId);
      await stage.untilPending(id, 'provision');
      await stage.rig.deleteInstance(id);
      await stage.untilState(id, ({ wanted }) => wanted.kind === 'gone');
      await becomeReady();
      await stage.failActivity(id, 'cleanUp');
      await stage.untilState(id, ({ obstacle, runtime }) => obstacle?.kind === 'stuck' || runtime.kind === 'none');
      await stage.endPause(id);
      await stage.rig.workflow(id).result();
      return id;
    },
  },
};
