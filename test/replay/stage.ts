import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ApplicationFailure } from '@temporalio/common';
import {
  instanceWorkflowId,
  instanceWorkflowType,
  type DesiredState,
  type InstanceStatus,
  type ReasonCode,
} from '../../contracts/names.ts';
import { instanceStateQuery } from '../../workflows/instance-state-query.ts';
import { until } from '../../stack/until.ts';
import type { Service } from '../../workers/services/service.ts';
import { instanceMessageSignal, type InstanceMessage, type RowChanged } from '../../workflows/messages.ts';
import type { InstanceState } from '../../workflows/state.ts';
import { one, type Rig } from '../support/rig.ts';

export type Stage = Awaited<ReturnType<typeof openStage>>;

const limitMs = 60_000;

/** The engine on the real servers, with means to hold up each of its parts. Scenarios are played on it. */
export async function openStage(rig: Rig) {
  await mkdir(rig.environment.RUNTIME_DIRECTORY, { recursive: true });
  const flags = await mkdtemp(join(rig.environment.RUNTIME_DIRECTORY, 'flags-'));
  let broker: Service | undefined;
  let worker: Service | undefined;
  let second: Service | undefined;

  const stage = {
    rig,
    /** Starts the services that do not run, and waits until they are ready. */
    startAll: async () => {
      broker ??= await rig.startEventBroker();
      worker ??= await rig.startAgentsWorker();
      await Promise.all([broker.ready(), worker.ready()]);
    },
    startWorker: async () => {
      worker ??= await rig.startAgentsWorker();
      await worker.ready();
    },
    /** Nothing is published until `startAll`. */
    stopBroker: async () => {
      await broker?.stop();
      broker = undefined;
    },
    /** No workflow runs until `startAll`. All signals of that time come in one workflow task. */
    stopWorker: async () => {
      await worker?.stop();
      worker = undefined;
    },

    /** Another host, in a folder of its own, whose label is `host=second`. */
    startSecondHost: async () => {
      second ??= await rig.startAgentsWorker({
        RUNTIME_DIRECTORY: join(rig.environment.RUNTIME_DIRECTORY, 'second'),
        HOST_LABELS: 'host=second',
      });
      await second.ready();
      await stage.untilHosts(2);
    },
    /** Its agents go on, and its lease runs out. */
    loseSecondHost: async () => {
      await second?.stop();
      second = undefined;
      await stage.untilHosts(1);
    },
    untilHosts: async (count: number) => {
      const isReached = async () => (await stage.hosts()).length === count;
      if (!(await until(isReached, limitMs))) throw new Error(`there are not ${count} hosts for new instances`);
    },
    /** Ids of the hosts that hold their lease. */
    hosts: async () => {
      const { rows } = await rig.pool.query<{ id: string }>(
        'select id from hosts where adopted_at is not null and lease_until > clock_timestamp()',
      );
      return rows.map(({ id }) => id);
    },
    hostOf: async (id: string) => {
      const { rows } = await rig.pool.query<{ host_id: string }>(
        'select host_id from placements where instance_id = $1',
        [id],
      );
      return one(rows).host_id;
    },
    otherHostOf: async (id: string) => {
      const home = await stage.hostOf(id);
      return one((await stage.hosts()).filter((host) => host !== home));
    },
    drain: (hostId: string, isDraining: boolean) =>
      rig.pool.query('update hosts set draining_since = case when $2 then clock_timestamp() end where id = $1', [
        hostId,
        isDraining,
      ]),
    untilReason: (id: string, code: ReasonCode, generation: number) =>
      stage.untilState(id, ({ recorded }) => recorded.reason?.code === code && recorded.generation === generation),

    insert: async (agentId: string, desiredState: DesiredState = 'running', id: string = randomUUID()) => {
      const values = [id, agentId, randomUUID(), desiredState];
      await rig.pool.query(
        'insert into instances (id, agent_id, user_id, desired_state) values ($1, $2, $3, $4)',
        values,
      );
      return id;
    },
    /** Inserts a row and waits for its status. */
    insertUntil: async (status: InstanceStatus, agentId: string) => {
      const id = await stage.insert(agentId);
      await stage.untilRecorded(id, status);
      return id;
    },
    want: (id: string, desiredState: DesiredState) =>
      rig.pool.query('update instances set desired_state = $2 where id = $1', [id, desiredState]),
    configure: (id: string) =>
      rig.pool.query('update instances set config = $2 where id = $1', [id, { changed: randomUUID() }]),
    /** Restores the row to that generation, as a backup would. No event announces it. */
    restore: (id: string, { sequence, generation }: { sequence: number; generation: number }) =>
      rig.pool.query(
        `begin; set local session_replication_role = replica;
         update instances set sequence = ${sequence}, generation = ${generation}, observed_generation = ${generation},
             status_sequence = least(status_sequence, ${sequence})
           where id = '${id}';
         delete from event_log where entity_id = '${id}' and sequence > ${sequence};
         commit`,
      ),
    /** Deletes the row and inserts another one of its id, in one transaction. */
    reinsert: (id: string, desiredState: DesiredState) =>
      rig.pool.query(
        `do $$ declare old instances; begin
           delete from instances where id = '${id}' returning * into old;
           insert into instances (id, agent_id, user_id, desired_state)
             values (old.id, old.agent_id, old.user_id, '${desiredState}');
         end $$`,
      ),
    deleteAndComplete: async (id: string) => {
      await rig.deleteInstance(id);
      await rig.workflow(id).result();
    },

    /** The message that the latest event of the row becomes. */
    latestMessage: async (id: string): Promise<RowChanged> => {
      const { rows } = await rig.pool.query<
        Record<'event_id' | 'correlation_id' | 'traceparent' | 'sequence', string> & {
          row: { generation: number; desired_state: DesiredState };
        }
      >(
        `select event_id, correlation_id, traceparent, sequence, notification -> 'row_data' as row
         from event_log where entity_id = $1 order by sequence desc limit 1`,
        [id],
      );
      const { event_id, correlation_id, traceparent, sequence, row } = one(rows);
      return {
        type: 'rowChanged',
        sequence: Number(sequence),
        generation: row.generation,
        desiredState: row.desired_state,
        cause: { eventId: event_id, correlationId: correlation_id, traceparent },
      };
    },
    /** Signals the workflow, as a consumer of the bus, the runtime or a person would. */
    tell: (id: string, message: InstanceMessage) => rig.workflow(id).signal(instanceMessageSignal, message),

    /** Signals the workflow, and starts it if there is none. */
    start: (id: string, message: InstanceMessage) =>
      rig.client.workflow.signalWithStart(instanceWorkflowType, {
        workflowId: instanceWorkflowId(id),
        taskQueue: rig.environment.TASK_QUEUE,
        args: [{ instanceId: id }],
        signal: instanceMessageSignal,
        signalArgs: [message],
      }),

    untilState: async (id: string, isReached: (state: InstanceState) => boolean) => {
      const reached = await until(async () => {
        const state = await rig
          .workflow(id)
          .query(instanceStateQuery)
          .catch(() => undefined);
        return state !== undefined && isReached(state);
      }, limitMs);
      if (!reached) throw new Error(`instance ${id} did not reach the expected state`);
    },
    untilRecorded: (id: string, status: InstanceStatus, generation?: number) =>
      stage.untilState(
        id,
        ({ recorded, knownRow }) =>
          recorded.status === status &&
          recorded.generation === (generation ?? (knownRow.kind === 'present' ? knownRow.generation : -1)),
      ),
    /** The id of the activity of that type that is under way. */
    untilPending: async (id: string, type: string): Promise<string> => {
      let activityId: string | null | undefined;
      await until(async () => {
        const described = await rig
          .workflow(id)
          .describe()
          .catch(() => undefined);
        const pending = described?.raw.pendingActivities ?? [];
        activityId = pending.find(({ activityType }) => activityType?.name === type)?.activityId;
        return activityId !== undefined;
      }, limitMs);
      return activityId ?? '';
    },
    /** The runtime id of the latest start of the agent. */
    runtimeIdOf: async (id: string) => {
      const text = await readFile(join(rig.environment.RUNTIME_DIRECTORY, `instance-${id}`, 'start.json'), 'utf8');
      return (JSON.parse(text) as { runtimeId: string }).runtimeId;
    },
    /** Provisioning has read the row and begun to start its agent. */
    untilAgentIsBegun: async (id: string) => {
      const hasBegun = () =>
        stage.runtimeIdOf(id).then(
          () => true,
          () => false,
        );
      if (!(await until(hasBegun, limitMs))) throw new Error(`no agent of instance ${id} was begun`);
    },
    /** Fails an activity, as an operator does with `temporal activity fail`. */
    failActivity: async (id: string, type: string) => {
      const activityId = await stage.untilPending(id, type);
      const { workflowId } = rig.workflow(id);
      await rig.client.activity.fail(
        { workflowId, activityId },
        ApplicationFailure.nonRetryable('given up by an operator', 'given_up'),
      );
    },

    /** A lock on the table of agents holds up whatever looks for the agent of an instance, while something else happens. */
    whileAgentsAreLocked: async (meanwhile: () => Promise<void>) => {
      const locker = await rig.pool.connect();
      try {
        await locker.query('begin; lock table agents in access exclusive mode');
        await meanwhile();
      } finally {
        await locker.query('rollback');
        locker.release();
      }
    },

    /** An agent that is ready, or ends, when it is told to; `stubborn` ones have to be killed after five seconds. */
    publishObedient: async ({ stubborn = false, ...runtime }: { stubborn?: boolean; restart?: object } = {}) => {
      const flag = join(flags, randomUUID());
      const script = `${stubborn ? "trap '' TERM; " : ''}
        until test -e ${flag}; do sleep 0.01; done; : > "$INSTANCE_READY_FILE"
        until test -e ${flag}.end; do sleep 0.05; done; exit 3`;
      const spec = { command: ['sh', '-c', script], ready: 'file', stop_grace_seconds: 5, ...runtime };
      const agentId = await rig.publishAgent(spec);
      return { agentId, becomeReady: () => writeFile(flag, ''), end: () => writeFile(`${flag}.end`, '') };
    },
    publishLate: (agentId: string) =>
      rig.pool.query(`insert into agents (id, name, version, runtime) values ($1, 'late', '1', $2)`, [
        agentId,
        { kind: 'process', command: ['sleep', '100000'] },
      ]),
    retire: (agentId: string, drain = false) =>
      rig.pool.query('update agents set retired_at = now(), drain = $2 where id = $1', [agentId, drain]),
  };
  await stage.startAll();
  return stage;
}
