import type { Scenarios } from './scenario.ts';

/** The outcomes of provisioning. */
export const provisioning: Scenarios = {
  'cannot-run-and-is-tried-again': {
    shows: ['failedUncertain × running', 'failed × running'],
    play: async (stage) => {
      const id = await stage.insertUntil('failed', await stage.rig.publishAgent({ command: ['no-such-command'] }));
      await stage.tell(id, { type: 'retryRequested', requestId: 'first' });
      await stage.untilState(
        id,
        ({ lastRetryRequest, recorded }) => lastRetryRequest === 'first' && recorded.status === 'failed',
      );
      await stage.deleteAndComplete(id);
      return id;
    },
  },
  'fails-five-times': {
    play: async (stage) =>
      stage.insertUntil('failed', await stage.rig.publishAgent({ command: ['false'], ready: 'file' })),
  },
  'recovers-with-a-new-config': {
    play: async (stage) => {
      const script = 'grep -q changed "$INSTANCE_CONFIG_FILE" || exit 1; : > "$INSTANCE_READY_FILE"; exec sleep 100000';
      const agentId = await stage.rig.publishAgent({ command: ['sh', '-c', script], ready: 'file' });
      const id = await stage.insertUntil('failed', agentId);
      await stage.configure(id);
      await stage.untilRecorded(id, 'running', 2);
      return id;
    },
  },
  'found-stopped-when-provisioned': {
    play: async (stage) => {
      const agentId = await stage.rig.publishAgent();
      await stage.stopWorker();
      const id = await stage.insert(agentId);
      await stage.rig.bus.until(id, 'instance.created');
      await stage.stopBroker();
      await stage.want(id, 'stopped');
      await stage.startWorker();
      await stage.untilRecorded(id, 'stopped', 2);
      return id;
    },
  },
  'found-deleted-when-provisioned': {
    play: async (stage) => {
      const agentId = await stage.rig.publishAgent();
      await stage.stopWorker();
      const id = await stage.insert(agentId);
      await stage.rig.bus.until(id, 'instance.created');
      await stage.stopBroker();
      await stage.rig.deleteInstance(id);
      await stage.startWorker();
      // A workflow that the event starts only now has no result yet.
      await stage.untilState(id, ({ knownRow }) => knownRow.kind === 'gone');
      await stage.rig.workflow(id).result();
      return id;
    },
  },
  'deleted-while-provisioning': {
    shows: ['obsolete × gone'],
    play: async (stage) => {
      const { agentId } = await stage.publishObedient();
      const id = await stage.insert(agentId);
      await stage.untilPending(id, 'provision');
      await stage.deleteAndComplete(id);
      return id;
    },
  },
  'deleted-as-it-becomes-ready': {
    play: async (stage) => {
      const { agentId, becomeReady } = await stage.publishObedient();
      const id = await stage.insert(agentId);
      await stage.untilPending(id, 'provision');
      await stage.rig.deleteInstance(id);
      await stage.untilState(id, ({ knownRow }) => knownRow.kind === 'gone');
      await becomeReady();
      await stage.rig.workflow(id).result();
      return id;
    },
  },
  'deleted-before-created': {
    play: async (stage) => {
      const agentId = await stage.rig.publishAgent();
      await stage.stopBroker();
      const id = await stage.insert(agentId);
      await stage.rig.deleteInstance(id);
      const { cause } = await stage.latestMessage(id);
      await stage.start(id, { type: 'rowDeleted', sequence: 2, cause });
      await stage.rig.workflow(id).result();
      return id;
    },
  },
};
