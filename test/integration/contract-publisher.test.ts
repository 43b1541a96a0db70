import { randomUUID } from 'node:crypto';
import { describe, expect, test, vi } from 'vitest';
import { catalog } from '../../contracts/catalog.ts';
import { exchangeNames, type EventType } from '../../contracts/names.ts';
import type { Seen } from '../support/bus.ts';
import { expectDocumented } from '../support/documented-message.ts';
import { headersSchemaOf } from '../support/published-schemas.ts';
import { one, useRig } from '../support/rig.ts';

const rig = useRig({ services: ['event_broker'] });

const texts = { 'e\u0301 👩‍👩‍👧 \u202Eשלום': 'a\u2028b\u0001"\\', ['__proto__']: null };
const numbers = [2 ** 53, -Number.MAX_VALUE, Number.MIN_VALUE, 1e23, 0.1];
const edges = {
  texts,
  numbers,
  empty: [{}, [], '', null],
  deep: JSON.parse('['.repeat(98) + ']'.repeat(98)) as unknown,
};
const [oddId, mebibyte] = ['11111111-1111-1111-1111-111111111111', 'x'.repeat(1024 * 1024)];

const insert = async (config: object = {}, metadata: object = {}): Promise<string> => {
  const { rows } = await rig.pool.query<{ id: string }>(
    'insert into instances (agent_id, user_id, config, metadata) values ($1, gen_random_uuid(), $2, $3) returning id',
    [oddId, config, metadata],
  );
  return one(rows).id;
};
const insertAgent = async (capabilities: string[] = []): Promise<string> => {
  const { rows } = await rig.pool.query<{ id: string }>(
    `insert into agents (name, version, capabilities, runtime) values ('עוזר 🤖', '1.0-β', $1, '{"secret": true}') returning id`,
    [JSON.stringify(capabilities)],
  );
  return one(rows).id;
};
const change = async (id: string, statement: string, ...values: unknown[]): Promise<string> => {
  await rig.pool.query(statement, [id, ...values]);
  return id;
};
const updateInstance = async (assignment: string, ...values: unknown[]) =>
  change(await insert(), `update instances set ${assignment} where id = $1`, ...values);
const updateAgent = async (assignment: string) =>
  change(await insertAgent(), `update agents set ${assignment} where id = $1`);
const removeInstance = async () => change(await insert(edges, edges), 'delete from instances where id = $1');

const insertRollout = async (strategy: object = {}): Promise<string> => {
  const { rows } = await rig.pool.query<{ id: string }>(
    'insert into rollouts (agent_id, version, strategy) select id, version, $2 from agents where id = $1 returning id',
    [await insertAgent(), strategy],
  );
  return one(rows).id;
};
const recordRollout = async (status: string, reason: object): Promise<string> =>
  change(await insertRollout(), 'select record_rollout($1, $2, $3, false)', status, reason);

const insertDeployment = async (strategy: object = {}): Promise<string> => {
  const name = randomUUID();
  await rig.pool.query(`select announce_build($1, '1.0+b', 60)`, [name]);
  const { rows } = await rig.pool.query<{ id: string }>(
    `insert into deployments (deployment_name, build_id, strategy) values ($1, '1.0+b', $2) returning id`,
    [name, strategy],
  );
  return one(rows).id;
};
const recordDeployment = async (status: string, changes: object): Promise<string> =>
  change(await insertDeployment(), 'select record_deployment($1, $2, $3)', status, changes);

/** How each event comes about, and what its body then says. A new event needs an entry here. */
const causes: Record<EventType, Record<string, { cause: () => Promise<string>; body?: Record<string, unknown> }>> = {
  'instance.created': {
    'an insert': { cause: () => insert(), body: { agent_id: oddId, config: {}, status: 'pending' } },
    'an insert with config of every kind': { cause: () => insert(edges), body: { config: edges } },
    'an insert with 4 MiB of config': {
      cause: () => insert({ pad: mebibyte.repeat(4).slice(100) }),
      body: { config: { pad: mebibyte.repeat(4).slice(100) } },
    },
  },
  'instance.updated': {
    'a change of what is wanted': {
      cause: () => updateInstance(`desired_state = 'stopped', config = $2`, edges),
      body: { status: 'pending', metadata: {} },
    },
    'metadata of every kind': { cause: () => updateInstance('metadata = $2', edges), body: { metadata: edges } },
    'a status of the engine': {
      cause: async () =>
        change(
          await insert(),
          `select record_instance_status($1, 'failed', 1, $2, $3)`,
          { code: 'agent_exited', message: '完' },
          {
            event_id: randomUUID(),
            correlation_id: oddId,
            traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
          },
        ),
      body: { status: 'failed', metadata: { status_reason: { code: 'agent_exited', message: '完' } } },
    },
    'the last word after a clean-up': {
      cause: async () => change(await removeInstance(), 'select record_final_status($1, null)'),
      body: { status: 'stopped', metadata: edges },
    },
  },
  'instance.deleted': { 'a delete': { cause: removeInstance, body: { agent_id: oddId } } },
  'agent.published': {
    'an insert': { cause: () => insertAgent(), body: { name: 'עוזר 🤖', version: '1.0-β', capabilities: [] } },
    'an insert with many capabilities': {
      cause: () => insertAgent(Array<string>(5_000).fill('🔍 search')),
      body: { capabilities: Array<string>(5_000).fill('🔍 search') },
    },
    'a change': { cause: () => updateAgent(`name = ' '`) },
  },
  'agent.retired': {
    'a retirement': {
      cause: () => updateAgent(`retired_at = '0001-01-01 01:30:00+01:30'`),
      body: { retired_at: '0001-01-01T00:00:00.000Z', drain: false },
    },
    'a retirement with drain': {
      cause: () => updateAgent(`retired_at = '9999-12-31 23:59:59.999999Z', drain = true`),
      body: { retired_at: '9999-12-31T23:59:59.999Z', drain: true },
    },
    'a delete': { cause: async () => change(await insertAgent(), 'delete from agents where id = $1') },
  },
  'rollout.requested': {
    'an insert': { cause: () => insertRollout(edges), body: { version: '1.0-β', strategy: edges } },
    'a publication': {
      cause: async () => {
        const agentId = await insertAgent();
        await change(agentId, `update agents set rollout = '{}', version = '2', runtime = '{"a": 2}' where id = $1`);
        const { rows } = await rig.pool.query<{ id: string }>('select id from rollouts where agent_id = $1', [agentId]);
        return one(rows).id;
      },
      body: { version: '2', strategy: {}, requested_by: 'publication' },
    },
  },
  'rollout.updated': {
    'a wish': {
      cause: async () => change(await insertRollout(), `update rollouts set desired_state = 'paused' where id = $1`),
      body: { status: 'requested', desired_state: 'paused' },
    },
    'a status with its reason': {
      cause: async () => recordRollout('paused', { code: 'paused', message: '完' }),
      body: { status: 'paused', reason: { code: 'paused', message: '完' } },
    },
    'the deletion of its agent': {
      cause: async () => {
        const id = await insertRollout();
        return change(id, 'delete from agents a using rollouts r where r.id = $1 and a.id = r.agent_id');
      },
      body: { status: 'aborted' },
    },
  },
  'rollout.completed': {
    'its completion': {
      cause: async () => change(await insertRollout(), 'select complete_rollout($1)'),
      body: { total: 0, moved: 0, healthy: 0, failed: 0 },
    },
  },
  'rollout.rolled_back': {
    'the end of a rollback': {
      cause: async () => recordRollout('rolled_back', { code: 'canary_failed', message: '完' }),
      body: { reverted: 0, reason: { code: 'canary_failed', message: '完' } },
    },
  },
  'deployment.requested': {
    'an insert': { cause: () => insertDeployment(edges), body: { build_id: '1.0+b', strategy: edges } },
  },
  'deployment.updated': {
    'a wish': {
      cause: async () =>
        change(await insertDeployment(), `update deployments set desired_state = 'paused' where id = $1`),
      body: { status: 'requested', desired_state: 'paused' },
    },
    'a status with its reason': {
      cause: () => recordDeployment('refused', { reason: { code: 'gate_failed', message: '完' } }),
      body: { status: 'refused', reason: { code: 'gate_failed', message: '完' } },
    },
    'its deletion': {
      cause: async () => change(await insertDeployment(), 'delete from deployments where id = $1'),
      body: { status: 'aborted' },
    },
  },
  'deployment.promoted': {
    'its promotion': { cause: () => recordDeployment('promoted', { percentage: 100, held: 2 }), body: { held: 2 } },
  },
  'deployment.rolled_back': {
    'the end of a rollback': {
      cause: () =>
        recordDeployment('rolled_back', { reset_instances: 3, reason: { code: 'task_failures', message: '完' } }),
      body: { reset_instances: 3, reason: { code: 'task_failures', message: '完' } },
    },
  },
};

/** What came over the bus for the last entry that the log has of the subject. */
async function published(subject: string): Promise<Seen> {
  return vi.waitFor(
    async () => {
      const { rows } = await rig.pool.query<{ event_id: string; rejected_reason: string | null }>(
        'select event_id, rejected_reason from event_log where entity_id = $1 order by sequence desc limit 1',
        [subject],
      );
      const { event_id: id, rejected_reason: reason } = one(rows);
      const seen = rig.bus.of(subject).find((message) => message.id === id);
      if (!seen)
        throw new Error(`event_broker has not published the entry yet: ${reason ?? 'nothing is wrong with it'}`);
      return seen;
    },
    { timeout: 20_000, interval: 10 },
  );
}

describe.each(Object.entries(causes) as [EventType, (typeof causes)[EventType]][])('%s', (type, ways) => {
  test.each(Object.entries(ways))(
    'after %s is on the wire what its published schemas say',
    async (_, { cause, body }) => {
      const subject = await cause();
      const { message } = await published(subject);
      const wire = expectDocumented(message, { headersSchema: headersSchemaOf(type), appId: 'event_broker' });
      expect(wire).toMatchObject({ ...body, [`${type.slice(0, type.indexOf('.'))}_id`]: subject });
      expect(message.fields).toMatchObject({ exchange: exchangeNames.events, routingKey: type });
      expect(message.properties.headers).toMatchObject({
        'cloudEvents:type': type,
        'cloudEvents:source': catalog[type].source,
        'cloudEvents:subject': subject,
        schema_version: catalog[type].versions.newest.version,
      });
    },
  );
});
