import type { StatusReason } from '../../contracts/names.ts';
import type { Effect } from '../../workflows/decide.ts';
import type { InstanceMessage, RowReading, RuntimeExited } from '../../workflows/messages.ts';
import type { RestartPolicy } from '../../workflows/restart-policy.ts';
import type { InstanceEvent } from '../../workflows/state.ts';
import { createFleet } from './instance-fleet.ts';
import { createRowModel } from './row-model.ts';

/** How an attempt ends. `answerLost` has done its work, but its answer is lost. */
export type Ending = 'done' | 'failed' | 'error' | 'answerLost';

export interface WorldOptions {
  /** Whether the agent is there from the beginning. */
  published: boolean;
  restart: RestartPolicy;
  /** Whether the agent is placed on another host when its host is lost for long. */
  replaces?: boolean;
}

/** What the activity read when it began. */
export interface Looked {
  row: RowReading | undefined;
  agent: AgentDefinition | undefined;
  /** How often the host had been lost. */
  losses: number;
}

interface AgentDefinition {
  retired: boolean;
  drain: boolean;
  restart: RestartPolicy;
}

type AgentEvent = { type: 'published' } | { type: 'retired'; drain: boolean };

/** The world of an instance: its row, its published agent, the hosts with what runs on them, and the activities. */
export function createInstanceWorld({ published, restart: firstRestart, replaces = false }: WorldOptions) {
  const fleet = createFleet();
  const rows = createRowModel();
  const agentEvents: AgentEvent[] = [];
  const exits: RuntimeExited[] = [];
  /** By generation: it could not run, it was told to drain, an agent of it was started, and how often one exited. */
  const blamed = new Set<number>();
  const drained = new Set<number>();
  const ran = new Set<number>();
  const exitCounts = new Map<number, number>();
  const happened = { agentWasMissing: false, cleanUpFailed: false, noHost: false };
  let definition: AgentDefinition | undefined = published
    ? { retired: false, drain: false, restart: firstRestart }
    : undefined;
  let started = 0;

  const startAgent = (hostId: string, { generation }: RowReading, restart: RestartPolicy): string => {
    const agent = fleet.agentOn(hostId);
    if (agent?.alive === true && agent.generation === generation) {
      agent.restart = restart;
      return agent.runtimeId;
    }
    started += 1;
    ran.add(generation);
    const runtimeId = `runtime-${started}`;
    fleet.start(hostId, { runtimeId, generation, alive: true, restart });
    return runtimeId;
  };
  const cannotRun = (generation: number, code: 'agent_retired' | 'provisioning_failed'): InstanceEvent => {
    blamed.add(generation);
    const reason: StatusReason = { code, message: `cannot run: ${code}` };
    return { type: 'provisioningFailed', generation, reason };
  };

  return {
    rows,
    fleet,
    agentEvents: agentEvents as readonly AgentEvent[],
    exits: exits as readonly RuntimeExited[],
    blamed: blamed as ReadonlySet<number>,
    drained: drained as ReadonlySet<number>,
    ran: ran as ReadonlySet<number>,
    exitCounts: exitCounts as ReadonlyMap<number, number>,
    happened: happened as Readonly<typeof happened>,
    agent: fleet.agent,
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
      const agent = fleet.agents().find(({ alive }) => alive);
      if (!agent) return;
      agent.alive = false;
      const { runtimeId, generation, restart } = agent;
      exits.push({ type: 'runtimeExited', runtimeId, kind, failed, message: 'ended' });
      if (kind === 'lost') return;
      const count = (exitCounts.get(generation) ?? 0) + 1;
      exitCounts.set(generation, count);
      const mayRestart = restart.policy === 'always' || (restart.policy === 'on_failure' && failed);
      if (!mayRestart || count > restart.maxRestarts) blamed.add(generation);
    },

    /** A host is lost, or a loss goes on; it ends the agents that may be replaced elsewhere, and reports that when it is back. */
    loseHost: (index: number): void => {
      const ended = fleet.lose(index);
      if (!ended) return;
      const { runtimeId } = ended;
      exits.push({ type: 'runtimeExited', runtimeId, kind: 'lost', failed: true, message: 'ended by its host' });
    },

    look: (hostId: string): Looked => ({ row: rows.read(), agent: definition, losses: fleet.losses(hostId) }),
    /** What an activity on the host answers, which holds its lease. */
    provision: (
      { generation, resume }: Extract<Effect, { type: 'provision' }>,
      hostId: string,
      { row, agent: found, losses }: Looked,
      ending: Ending,
    ): InstanceEvent => {
      if (fleet.placement()?.hostId !== hostId) return { type: 'stepEnded' };
      if (!row) return { type: 'rowGone' };
      if (row.desiredState === 'stopped') return { type: 'notWanted', row };
      if (ending === 'error' || fleet.losses(hostId) !== losses) return { type: 'stepEnded' };
      if (!found) {
        happened.agentWasMissing = true;
        return { type: 'agentMissing', row, message: 'missing' };
      }
      if (found.retired && !(resume && row.generation === generation)) return cannotRun(generation, 'agent_retired');
      const runtimeId = startAgent(hostId, row, found.restart);
      if (ending === 'answerLost') return { type: 'stepEnded' };
      if (ending === 'done') return { type: 'provisioned', row, runtimeId, restart: found.restart, hostId };
      return cannotRun(generation, 'provisioning_failed');
    },
    /** Performs all other effects. A clean-up that fails has removed nothing. */
    perform: (
      effect: Exclude<Effect, { type: 'provision' | 'wait' | 'complete' }>,
      ending: Exclude<Ending, 'error'>,
      { leavingHostId, sequence: knownSequence }: { leavingHostId: string | undefined; sequence: number },
    ): InstanceEvent => {
      switch (effect.type) {
        case 'place': {
          const row = rows.read();
          if (!row) return { type: 'rowGone' };
          if (row.desiredState === 'stopped') return { type: 'notWanted', row };
          if (!definition) {
            happened.agentWasMissing = true;
            return { type: 'agentMissing', row, message: 'missing' };
          }
          if (ending === 'failed') return cannotRun(effect.generation, 'provisioning_failed');
          const result = fleet.place(replaces, leavingHostId);
          if (result.outcome === 'placed') return { type: 'placed', ...result };
          if (result.outcome === 'hostLost') return { type: 'located', ...result };
          happened.noHost = true;
          return { type: 'noHost', row, message: 'no host' };
        }
        case 'locate':
          return { type: 'located', ...fleet.locate(leavingHostId) };
        case 'cleanUp': {
          const { hostId } = effect;
          if (ending === 'failed') {
            happened.cleanUpFailed = true;
            return { type: 'cleanUpFailed', message: 'stuck', hostId };
          }
          fleet.empty(hostId);
          return { type: 'cleanedUp', hostId };
        }
        case 'readRow':
          return { type: 'rowRead', row: rows.readState() ?? null };
        case 'recordStatus': {
          const result = rows.recordStatus({ ...effect, knownSequence });
          if (result.outcome === 'gone') return { type: 'rowGone' };
          if (result.outcome === 'superseded') return { type: 'statusSuperseded' };
          return { ...effect, type: 'statusRecorded', row: result.row };
        }
        case 'recordFinalStatus': {
          const row = rows.recordFinalStatus();
          return { type: 'finalStatusRecorded', ...(row && { row }) };
        }
      }
    },
  };
}
