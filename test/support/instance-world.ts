import type { StatusReason } from '../../contracts/names.ts';
import type { Effect } from '../../workflows/decide.ts';
import type { InstanceMessage, RowReading, RuntimeExited } from '../../workflows/messages.ts';
import type { RestartPolicy } from '../../workflows/restart-policy.ts';
import type { InstanceEvent } from '../../workflows/state.ts';
import { createRowModel } from './row-model.ts';

/** How an attempt ends. `answerLost` has done its work, but its answer is lost. */
export type Ending = 'done' | 'failed' | 'error' | 'answerLost';

export interface WorldOptions {
  /** Whether the agent is there from the beginning. */
  published: boolean;
  restart: RestartPolicy;
}

/** What the activity read when it began. */
export interface Looked {
  row: RowReading | undefined;
  agent: AgentDefinition | undefined;
}

interface AgentDefinition {
  retired: boolean;
  drain: boolean;
  restart: RestartPolicy;
}

type AgentEvent = { type: 'published' } | { type: 'retired'; drain: boolean };

/** The world of an instance: its row, its published agent, at most one running agent, and the activities. */
export function createInstanceWorld({ published, restart: firstRestart }: WorldOptions) {
  const rows = createRowModel();
  const agentEvents: AgentEvent[] = [];
  const exits: RuntimeExited[] = [];
  /** By generation: it could not run, it was told to drain, an agent of it was started, and how often one exited. */
  const blamed = new Set<number>();
  const drained = new Set<number>();
  const ran = new Set<number>();
  const exitCounts = new Map<number, number>();
  const happened = { agentWasMissing: false, cleanUpFailed: false };
  let definition: AgentDefinition | undefined = published
    ? { retired: false, drain: false, restart: firstRestart }
    : undefined;
  let agent: { runtimeId: string; generation: number; alive: boolean; restart: RestartPolicy } | undefined;
  let started = 0;

  const startAgent = ({ generation }: RowReading, restart: RestartPolicy): string => {
    if (agent?.alive !== true || agent.generation !== generation) {
      started += 1;
      ran.add(generation);
      agent = { runtimeId: `runtime-${started}`, generation, alive: true, restart };
    }
    agent.restart = restart;
    return agent.runtimeId;
  };
  const cannotRun = (generation: number, code: 'agent_retired' | 'provisioning_failed'): InstanceEvent => {
    blamed.add(generation);
    const reason: StatusReason = { code, message: `cannot run: ${code}` };
    return { type: 'provisioningFailed', generation, reason };
  };

  return {
    rows,
    agentEvents: agentEvents as readonly AgentEvent[],
    exits: exits as readonly RuntimeExited[],
    blamed: blamed as ReadonlySet<number>,
    drained: drained as ReadonlySet<number>,
    ran: ran as ReadonlySet<number>,
    exitCounts: exitCounts as ReadonlyMap<number, number>,
    happened: happened as Readonly<typeof happened>,
    agent: () => agent,
    definition: () => definition,

    publish: (restart: RestartPolicy): void => {
      definition = { retired: false, drain: false, restart };
      agentEvents.push({ type: 'published' });
    },
    retire: (drain: boolean): void => {
      if (!definition) return;
      definition = { ...definition, retired: true, drain };
      agentEvents.push({ type: 'retired', drain });
    },
    /** What the workflow is told of an event of its agent: the rule of bridge/signals/agent-router.ts, as the row is now. */
    told: (event: AgentEvent): InstanceMessage | undefined => {
      const row = rows.row();
      if (row?.desiredState !== 'running') return undefined;
      const { status, generation, observedGeneration } = row;
      const unobserved = observedGeneration < generation;
      if (event.type === 'published') {
        return status === 'pending' || unobserved ? { type: 'agentPublished' } : undefined;
      }
      const isInUse = definition?.retired === false || definition?.drain === false;
      if (!event.drain || isInUse) return undefined;
      if (status !== 'pending' && status !== 'running' && !unobserved) return undefined;
      drained.add(generation);
      return { type: 'agentDrained', message: 'drained', generation };
    },

    /** The agent ends without having been asked to. */
    exit: (kind: RuntimeExited['kind'], failed: boolean): void => {
      if (!agent?.alive) return;
      agent.alive = false;
      const { runtimeId, generation, restart } = agent;
      exits.push({ type: 'runtimeExited', runtimeId, kind, failed, message: 'ended' });
      if (kind === 'lost') return;
      const count = (exitCounts.get(generation) ?? 0) + 1;
      exitCounts.set(generation, count);
      const mayRestart = restart.policy === 'always' || (restart.policy === 'on_failure' && failed);
      if (!mayRestart || count > restart.maxRestarts) blamed.add(generation);
    },

    look: (): Looked => ({ row: rows.read(), agent: definition }),
    /** Undefined where the workflow does not learn how provisioning ended. */
    provision: (
      { generation, resume }: Extract<Effect, { type: 'provision' }>,
      { row, agent: found }: Looked,
      ending: Ending,
    ): InstanceEvent | undefined => {
      if (!row) return { type: 'rowGone' };
      if (row.desiredState === 'stopped') return { type: 'notWanted', row };
      if (ending === 'error') return undefined;
      if (!found) {
        happened.agentWasMissing = true;
        return { type: 'agentMissing', row, message: 'missing' };
      }
      if (found.retired && !(resume && row.generation === generation)) return cannotRun(generation, 'agent_retired');
      const runtimeId = startAgent(row, found.restart);
      if (ending === 'answerLost') return undefined;
      if (ending === 'done') return { type: 'provisioned', row, runtimeId, restart: found.restart };
      return cannotRun(generation, 'provisioning_failed');
    },
    /** Performs all other effects. A clean-up that fails has removed nothing. */
    perform: (
      effect: Exclude<Effect, { type: 'provision' | 'wait' | 'complete' }>,
      ending: Exclude<Ending, 'error'>,
    ): InstanceEvent => {
      switch (effect.type) {
        case 'cleanUp':
          if (ending === 'failed') {
            happened.cleanUpFailed = true;
            return { type: 'cleanUpFailed', message: 'stuck' };
          }
          agent = undefined;
          return { type: 'cleanedUp' };
        case 'readRow':
          return { type: 'rowRead', row: rows.readState() ?? null };
        case 'recordStatus': {
          const result = rows.recordStatus(effect);
          return result.outcome === 'gone'
            ? { type: 'rowGone' }
            : { ...effect, type: 'statusRecorded', row: result.row };
        }
        case 'recordFinalStatus': {
          const row = rows.recordFinalStatus();
          return { type: 'finalStatusRecorded', ...(row && { row }) };
        }
      }
    },
  };
}
