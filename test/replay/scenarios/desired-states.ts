import type { Scenarios } from './scenario.ts';

/** Changes of the desired state and of the config, as rows usually see them. */
export const desiredStates: Scenarios = {
  'runs-and-is-deleted': {
    shows: ['uncertain × running', 'current × running', 'obsolete × gone', 'clean × gone'],
    play: async (stage) => {
      const id = await stage.insertUntil('running', await stage.rig.publishAgent());
      await stage.deleteAndComplete(id);
      return id;
    },
  },
  'runs-on': {
    play: async (stage) => stage.insertUntil('running', await stage.rig.publishAgent()),
  },
  'config-changes-while-running': {
    shows: ['outdated × running'],
    play: async (stage) => {
      const id = await stage.insertUntil('running', await stage.rig.publishAgent());
      await stage.configure(id);
      await stage.untilRecorded(id, 'running', 2);
      await stage.deleteAndComplete(id);
      return id;
    },
  },
  'config-changes-while-provisioning': {
    play: async (stage) => {
      const { agentId, becomeReady } = await stage.publishObedient();
      const id = await stage.insert(agentId);
      await stage.untilPending(id, 'provision');
      await stage.configure(id);
      await stage.untilState(id, ({ knownRow }) => knownRow.kind === 'present' && knownRow.generation === 2);
      await becomeReady();
      await stage.untilRecorded(id, 'running', 2);
      return id;
    },
  },
  'stopped-and-started-again': {
    shows: ['outdated × stopped', 'clean × stopped', 'clean × running'],
    play: async (stage) => {
      const id = await stage.insertUntil('running', await stage.rig.publishAgent());
      await stage.want(id, 'stopped');
      await stage.untilRecorded(id, 'stopped', 2);
      await stage.want(id, 'running');
      await stage.untilRecorded(id, 'running', 3);
      return id;
    },
  },
  'stopped-while-provisioning': {
    shows: ['uncertain × stopped'],
    play: async (stage) => {
      const { agentId } = await stage.publishObedient();
      const id = await stage.insert(agentId);
      await stage.untilPending(id, 'provision');
      await stage.want(id, 'stopped');
      await stage.untilRecorded(id, 'stopped', 2);
      return id;
    },
  },
  'inserted-as-stopped': {
    shows: ['uncertain × stopped', 'clean × stopped'],
    play: async (stage) => {
      const id = await stage.insert(await stage.rig.publishAgent(), 'stopped');
      await stage.untilRecorded(id, 'stopped');
      await stage.deleteAndComplete(id);
      return id;
    },
  },
  'inserted-anew-while-being-deleted': {
    play: async (stage) => {
      const { agentId, becomeReady } = await stage.publishObedient({ stubborn: true });
      await becomeReady();
      const id = await stage.insertUntil('running', agentId);
      await stage.rig.deleteInstance(id);
      await stage.untilPending(id, 'cleanUp');
      await stage.insert(agentId, 'running', id);
      await stage.untilRecorded(id, 'running');
      return id;
    },
  },
  // The row is gone when it is read; the agent that was begun takes a while to end, and meanwhile another row comes.
  'inserted-anew-while-provisioning': {
    shows: ['obsolete × running'],
    play: async (stage) => {
      const { agentId, becomeReady } = await stage.publishObedient({ stubborn: true });
      const id = await stage.insert(agentId);
      await stage.untilPending(id, 'provision');
      await stage.rig.deleteInstance(id);
      await stage.untilState(id, ({ runtime }) => runtime.kind === 'obsolete');
      await stage.insert(agentId, 'running', id);
      await becomeReady();
      await stage.untilRecorded(id, 'running');
      return id;
    },
  },
  'inserted-anew-as-stopped-while-provisioning': {
    shows: ['obsolete × stopped'],
    play: async (stage) => {
      const { agentId } = await stage.publishObedient({ stubborn: true });
      const id = await stage.insert(agentId);
      await stage.untilPending(id, 'provision');
      await stage.rig.deleteInstance(id);
      await stage.untilState(id, ({ runtime }) => runtime.kind === 'obsolete');
      await stage.insert(agentId, 'stopped', id);
      await stage.untilRecorded(id, 'stopped');
      return id;
    },
  },
  // Both rows came and went between two readings: the second one replaces the first one's agent.
  'replaced-while-provisioning': {
    play: async (stage) => {
      const { agentId, becomeReady } = await stage.publishObedient();
      const id = await stage.insert(agentId);
      await stage.untilPending(id, 'provision');
      await stage.reinsert(id, 'running');
      await stage.untilState(id, ({ sequence }) => sequence >= 3);
      await becomeReady();
      await stage.untilRecorded(id, 'running');
      return id;
    },
  },
};
