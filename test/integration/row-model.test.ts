import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { recordFinalStatus, recordStatus } from '../../database/instances/status.ts';
import { instanceStatuses, type InstanceStatus } from '../../contracts/names.ts';
import { one, useRig } from '../support/rig.ts';
import { createRowModel, type ModelEvent } from '../support/row-model.ts';

const rig = useRig();

type Step =
  | { do: 'insert' | 'changeConfig' | 'run' | 'stop' | 'remove' | 'recordFinalStatus' }
  | {
      do: 'recordStatus';
      status: InstanceStatus;
      generation: number;
      failed: boolean;
      knownSequence?: number | undefined;
    };

const reason = { code: 'agent_exited', message: 'It ended.' } as const;
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constantFrom('insert', 'changeConfig', 'run', 'stop', 'remove', 'recordFinalStatus') }),
  fc.record({
    do: fc.constant('recordStatus'),
    status: fc.constantFrom(...instanceStatuses),
    generation: fc.integer({ min: 1, max: 6 }),
    failed: fc.boolean(),
    knownSequence: fc.option(fc.integer({ min: 0, max: 8 }), { nil: undefined }),
  }),
);

test('the model of a row that the other tests use is true to the triggers and functions of the database', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 25 }), async (steps) => {
      const id = randomUUID();
      const model = createRowModel();
      for (const taken of steps) expect(await inDatabase(id, taken)).toEqual(inModel(model, taken));
      expect(await readLog(id)).toEqual(model.log.map(plain));
    }),
    { numRuns: 60 },
  );
});

function inModel(model: ReturnType<typeof createRowModel>, taken: Step): unknown {
  const there = model.row() !== undefined;
  switch (taken.do) {
    case 'insert':
      return there ? undefined : model.insert();
    case 'changeConfig':
      return there ? model.changeConfig() : undefined;
    case 'run':
      return there ? model.desire('running') : undefined;
    case 'stop':
      return there ? model.desire('stopped') : undefined;
    case 'remove':
      return there ? model.remove() : undefined;
    case 'recordFinalStatus':
      return model.recordFinalStatus();
    case 'recordStatus': {
      const { status, generation, failed, knownSequence } = taken;
      return model.recordStatus({
        status,
        generation,
        ...(failed && { reason }),
        ...(knownSequence !== undefined && { knownSequence }),
      });
    }
  }
}

async function inDatabase(id: string, taken: Step): Promise<unknown> {
  const { pool } = rig;
  switch (taken.do) {
    case 'insert':
      await pool.query('insert into instances (id, agent_id, user_id) values ($1, $1, $1) on conflict do nothing', [
        id,
      ]);
      return;
    case 'changeConfig':
      await pool.query('update instances set config = $2 where id = $1', [id, { version: randomUUID() }]);
      return;
    case 'run':
      await pool.query("update instances set desired_state = 'running' where id = $1", [id]);
      return;
    case 'stop':
      await pool.query("update instances set desired_state = 'stopped' where id = $1", [id]);
      return;
    case 'remove':
      await rig.deleteInstance(id);
      return;
    case 'recordFinalStatus':
      return recordFinalStatus(pool, id);
    case 'recordStatus': {
      const { status, generation, failed, knownSequence } = taken;
      return recordStatus(pool, {
        instanceId: id,
        status,
        generation,
        ...(failed && { reason }),
        ...(knownSequence !== undefined && { knownSequence }),
      });
    }
  }
}

const types = { insert: 'instance.created', update: 'instance.updated', delete: 'instance.deleted' } as const;

async function readLog(id: string) {
  const { rows } = await rig.pool.query<{ log: unknown[] | null }>(
    `select json_agg(json_build_object(
       'type', notification ->> 'event_type', 'sequence', sequence,
       'generation', notification -> 'row_data' -> 'generation',
       'observedGeneration', notification -> 'row_data' -> 'observed_generation',
       'desiredState', notification -> 'row_data' -> 'desired_state',
       'status', notification -> 'row_data' -> 'status',
       'reason', notification -> 'row_data' -> 'metadata' -> 'status_reason') order by sequence) as log
     from event_log where entity_id = $1`,
    [id],
  );
  const log = (one(rows).log ?? []) as { type: keyof typeof types }[];
  return log.map((entry) => ({ ...entry, type: types[entry.type] }));
}

function plain({ type, row }: ModelEvent) {
  const { statusSequence: _, ...told } = row;
  return { type, ...told, reason: row.reason ?? null };
}
