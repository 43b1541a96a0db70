import { killAgent } from '../../support/process-agents.ts';
import type { Scenarios } from './scenario.ts';

/** A message is false, or a backup of the row was restored. */
export const doubts: Scenarios = {
  'is-told-of-a-false-deletion': {
    shows: ['current × running'],
    play: async (stage) => {
      const id = await stage.insertUntil('running', await stage.rig.publishAgent());
      const cause = { eventId: 'false', correlationId: 'false', traceparent: 'false' };
      await stage.tell(id, { type: 'rowDeleted', sequence: 999, cause });
      // A query sees every signal that Temporal accepted before it.
      await stage.untilState(id, (state) => state.doubt === undefined);
      return id;
    },
  },
  'status-is-superseded': {
    play: async (stage) => {
      const id = await stage.insertUntil('running', await stage.rig.publishAgent({ restart: { policy: 'never' } }));
      // As a worker does that was suspended, and whose step another one has taken.
      await stage.rig.pool.query(`select record_instance_status($1, 'pending', 1, null, null)`, [id]);
      await killAgent(id);
      await stage.untilRecorded(id, 'failed');
      return id;
    },
  },
  'row-is-restored': {
    shows: ['outdated × running'],
    play: async (stage) => {
      const id = await stage.insertUntil('running', await stage.rig.publishAgent());
      await stage.configure(id);
      await stage.untilRecorded(id, 'running', 2);
      await stage.restore(id, { sequence: 2, generation: 1 });
      await stage.tell(id, { type: 'checkRequested' });
      await stage.untilRecorded(id, 'running', 1);
      return id;
    },
  },
};
