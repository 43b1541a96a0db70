import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { WorkflowNotFoundError } from '@temporalio/client';
import { vi } from 'vitest';
import { toWireHeaders } from '../../contracts/envelope.ts';
import { queueNames, type DesiredState } from '../../contracts/names.ts';
import type { EventLogEntry } from '../../bridge/event-broker/event-log.ts';
import type { EventMessage } from '../../bridge/bus/outgoing-event.ts';
import { translate } from '../../bridge/event-broker/translate.ts';
import type { ProcessIdentity } from '../../runtimes/process/process-entry.ts';
import { identify, isAlive, signalProcess } from '../../runtimes/process/process-table.ts';
import { instanceMessageSignal } from '../../workflows/messages.ts';
import { one, type Rig } from '../support/rig.ts';
import { agentKinds, agentNames, readStarted, type AgentName } from './agents.ts';
import type { System } from './system.ts';

/** One instance with its own agents on the real system, and what users and accidents do to it. */
export type Life = Awaited<ReturnType<typeof createLife>>;

export async function createLife(system: System) {
  const { rig } = system;
  const { pool } = rig;
  const id = randomUUID();
  const agentIds = Object.fromEntries(agentNames.map((name) => [name, randomUUID()])) as Record<AgentName, string>;
  const stateDirectory = join(rig.environment.RUNTIME_DIRECTORY, `instance-${id}`, 'state');

  const publish = async (agent: AgentName): Promise<void> => {
    await pool.query(
      `insert into agents (id, name, version, runtime) values ($1, $2, '1', $3)
       on conflict (id) do update set version = (agents.version::int + 1)::text, retired_at = null, drain = false`,
      [agentIds[agent], agent, agentKinds[agent].runtime],
    );
  };
  const deliver = async ({ body, metadata }: Pick<EventMessage, 'body' | 'metadata'>): Promise<void> => {
    const queue = metadata.instance ? queueNames.agentsWorkerInstance : queueNames.agentsWorkerAgent;
    await rig.bus.publish('', queue, JSON.stringify(body), {
      messageId: metadata.id,
      type: metadata.type,
      headers: toWireHeaders(metadata),
    });
  };
  /** What the latest agent wrote about itself. */
  const started = async () => {
    const text = await readFile(join(stateDirectory, 'started'), 'utf8').catch(() => '');
    return readStarted(text);
  };
  for (const name of agentNames) if (agentKinds[name].publishedAtFirst) await publish(name);

  return {
    id,
    agentIds,
    system,
    started,
    publish,
    /** @returns the generation with which the row begins */
    insert: async (agent: AgentName, desired: DesiredState, version: number): Promise<number> => {
      const { rows } = await pool.query<{ generation: string }>(
        `insert into instances (id, agent_id, user_id, desired_state, config) values ($1, $2, $1, $3, $4)
         returning generation`,
        [id, agentIds[agent], desired, { version }],
      );
      return Number(one(rows).generation);
    },
    configure: (version: number) => pool.query('update instances set config = $2 where id = $1', [id, { version }]),
    move: (agent: AgentName) => pool.query('update instances set agent_id = $2 where id = $1', [id, agentIds[agent]]),
    desire: (desired: DesiredState) =>
      pool.query('update instances set desired_state = $2 where id = $1', [id, desired]),
    remove: () => rig.deleteInstance(id),
    retire: (agent: AgentName, drain: boolean) =>
      pool.query('update agents set retired_at = now(), drain = $2 where id = $1', [agentIds[agent], drain]),
    retry: () =>
      rig
        .workflow(id)
        .signal(instanceMessageSignal, { type: 'retryRequested', requestId: randomUUID() })
        .catch(unlessNotFound),
    terminate: () => rig.workflow(id).terminate('by the model').catch(unlessNotFound),

    /** @returns the version of the config that it ran, where known; undefined when there was no agent to kill */
    kill: async (): Promise<{ version: number | undefined } | undefined> => {
      const agent = await system.agentOf(id);
      if (!agent) return undefined;
      const known = await started();
      if (!isAlive(agent)) return undefined;
      signalProcess(agent, 'SIGKILL');
      await untilGone(agent);
      return { version: known?.pid === agent.pid ? known.version : undefined };
    },

    /** The same as `kill`, but the agent itself exits with code 0. */
    exit: async (): Promise<{ version: number | undefined } | undefined> => {
      // This fails when no agent waits at the other end.
      const door = await open(join(stateDirectory, 'door'), constants.O_WRONLY | constants.O_NONBLOCK).catch(
        () => undefined,
      );
      if (!door) return undefined;
      try {
        const known = await started();
        const agent = known && identify(known.pid);
        await door.write('0\n');
        if (agent) await untilGone(agent);
        return { version: known?.version };
      } catch {
        return undefined;
      } finally {
        await door.close();
      }
    },

    /** Puts recorded events into the queues of agents_worker once more, past the broker and in any order. */
    redeliver: async (picks: readonly number[]): Promise<void> => {
      const events = (await readLog(rig, [id, ...Object.values(agentIds)])).map(translate);
      for (const pick of picks) {
        const event = events[pick % events.length];
        if (event) await deliver(event);
      }
    },

    /** Once a later event has reached its workflow, earlier deliveries have reached it as well, or will within milliseconds. */
    untilDelivered: async (): Promise<void> => {
      const entry = (await readLog(rig, [id])).at(-1);
      if (!entry) return;
      const { metadata } = translate(entry);
      const nobody = randomUUID();
      const { agentId: agent_id = id, userId: user_id = id } = metadata.instance ?? {};
      await deliver({
        body: { instance_id: nobody, agent_id, user_id, deleted_at: metadata.time },
        metadata: { ...metadata, type: 'instance.deleted', subject: nobody },
      });
      await vi.waitFor(() => rig.workflow(nobody).result(), { timeout: 60_000, interval: 100 });
    },
  };
}

/** The log of these entities, whether published or not, in its order. */
export async function readLog({ pool }: Rig, entityIds: readonly string[]): Promise<EventLogEntry[]> {
  const { rows } = await pool.query<Omit<EventLogEntry, 'sequence'> & { sequence: string }>(
    `select id, event_id as "eventId", entity_id as "entityId", sequence, notification,
       correlation_id as "correlationId", causation_id as "causationId", traceparent, occurred_at as "occurredAt"
     from event_log where entity_id = any($1) order by id`,
    [entityIds],
  );
  return rows.map((row) => ({ ...row, sequence: Number(row.sequence) }));
}

/** Until then the agent may be taken for a running one. */
async function untilGone(agent: ProcessIdentity): Promise<void> {
  await vi.waitUntil(() => !isAlive(agent), { timeout: 20_000, interval: 5 });
}

function unlessNotFound(error: unknown): void {
  if (!(error instanceof WorkflowNotFoundError)) throw error;
}
