import { randomUUID } from 'node:crypto';
import type { Scenarios } from './scenario.ts';

/** More than one host: one is lost, drained, or does not fit, of which the watch of the fleet tells. */
export const hosts: Scenarios = {
  'its-host-is-lost-and-comes-back': {
    shows: ['hostLost × running', 'hostLost × stopped', 'hostLost × gone'],
    play: async (stage) => {
      await stage.startSecondHost();
      const spec = { command: ['sleep', '100000'], host_labels: { host: 'second' } };
      const id = await stage.insertUntil('running', await stage.rig.publishAgent(spec));
      await stage.loseSecondHost();
      await stage.untilReason(id, 'host_lost', 1);
      await stage.want(id, 'stopped');
      await stage.untilReason(id, 'host_lost', 2);
      await stage.rig.deleteInstance(id);
      await stage.untilState(id, ({ knownRow }) => knownRow.kind === 'gone');
      await stage.startSecondHost();
      await stage.rig.workflow(id).result();
      await stage.loseSecondHost();
      return id;
    },
  },
  'moves-as-its-host-is-drained': {
    shows: ['moving × running'],
    play: async (stage) => {
      await stage.startSecondHost();
      const id = await stage.insertUntil('running', await stage.rig.publishAgent());
      const hostId = await stage.hostOf(id);
      await stage.drain(hostId, true);
      await stage.untilState(id, (state) => state.hostId !== hostId && state.recorded.status === 'running');
      await stage.drain(hostId, false);
      await stage.deleteAndComplete(id);
      await stage.loseSecondHost();
      return id;
    },
  },
  'no-host-fits': {
    shows: ['unplaced × running'],
    play: async (stage) => {
      const spec = { command: ['sleep', '100000'], host_labels: { host: 'nowhere' } };
      const id = await stage.insertUntil('pending', await stage.rig.publishAgent(spec));
      await stage.untilReason(id, 'no_host', 1);
      await stage.deleteAndComplete(id);
      return id;
    },
  },
  'its-agent-is-found-on-another-host': {
    shows: ['astray × running', 'astray × stopped'],
    play: async (stage) => {
      await stage.startSecondHost();
      const id = await stage.insertUntil('running', await stage.rig.publishAgent());
      const hostId = await stage.otherHostOf(id);
      await stage.tell(id, { type: 'agentFound', hostId });
      await stage.untilState(id, ({ strayHosts }) => strayHosts === undefined);
      await stage.tell(id, { type: 'hostReplaceable', hostId: await stage.hostOf(id) });
      await stage.want(id, 'stopped');
      await stage.untilRecorded(id, 'stopped', 2);
      await stage.tell(id, { type: 'agentFound', hostId });
      await stage.untilState(id, ({ strayHosts }) => strayHosts === undefined);
      await stage.deleteAndComplete(id);
      await stage.loseSecondHost();
      return id;
    },
  },
  'its-agent-is-found-without-a-row': {
    shows: ['astray × unknown', 'astray × gone'],
    play: async (stage) => {
      const [hostId = ''] = await stage.hosts();
      const handle = await stage.start(randomUUID(), { type: 'agentFound', hostId });
      await handle.result();
      return handle;
    },
  },
};
