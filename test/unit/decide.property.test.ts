import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { toMessage } from '../../bridge/signals/instance-router.ts';
import { decide } from '../../workflows/decide.ts';
import { evolve } from '../../workflows/evolve.ts';
import { initialState, type InstanceEvent, type InstanceState } from '../../workflows/state.ts';
import { neverRestart } from '../support/instance-events.ts';
import {
  betrayedLife,
  life,
  lifeOnHosts,
  play,
  settled,
  stepsToRest,
  type Life,
  type OnEvent,
} from '../support/instance-lives.ts';
import type { Simulation } from '../support/instance-simulation.ts';
import { propertyRuns } from '../support/property-runs.ts';
import { asIncoming, createRowModel } from '../support/row-model.ts';

// Seconds on a busy machine. fast-check prints the seed and the shortest life that breaks the rule.
vi.setConfig({ testTimeout: 120_000 });

/** Provisioning read the second row, and its agent ended before the deletion of the first one was told. */
const diedWhileItsRowWasReplaced: Life = {
  published: true,
  restart: neverRestart,
  steps: [
    { do: 'insert', desiredState: 'running' },
    { do: 'remove' },
    { do: 'insert', desiredState: 'running' },
    { do: 'deliver', pick: 0 },
    { do: 'advance', ending: 'done' },
    { do: 'deliver', pick: 1 },
    { do: 'advance', ending: 'done' },
    { do: 'exit', kind: 'exited', failed: true },
  ],
};

/** A later generation than that of the restored row was running, and its agent ended before it was replaced. */
const endedAfterItsRowWasRestored: Life = {
  published: true,
  restart: { policy: 'always', maxRestarts: 1, backoffMs: 1_000, maxBackoffMs: 1_500, resetAfterMs: 60_000 },
  steps: [
    { do: 'insert', desiredState: 'running' },
    { do: 'forge', message: { type: 'rowChanged', sequence: 999, generation: 999, desiredState: 'running' } },
    { do: 'changeConfig' },
    { do: 'advance', ending: 'done' },
    { do: 'advance', ending: 'done' },
    { do: 'restore', pick: 0 },
    { do: 'insert', desiredState: 'running' },
    { do: 'advance', ending: 'done' },
    { do: 'advance', ending: 'done' },
    { do: 'exit', kind: 'exited', failed: false },
    { do: 'toggle' },
    { do: 'deliverExit', pick: 0 },
    { do: 'advance', ending: 'done' },
    { do: 'advance', ending: 'done' },
  ],
};

test('whatever is shuffled, repeated or missing, the world comes to agree with the row', () => {
  fc.assert(
    fc.property(life, (given) => {
      const simulation = settled(given);
      expect(reality(simulation)).toEqual(expectedAtRest(simulation));
      expect(falsehoods(simulation)).toEqual([]);
    }),
    { ...propertyRuns(20_000), examples: [[diedWhileItsRowWasReplaced]] },
  );
});

test('whatever happens to hosts, an instance never has two agents, and in the end the one that its row wants', () => {
  fc.assert(
    fc.property(lifeOnHosts, (given) => {
      const simulation = play(given);
      const { fleet, rows, settle } = simulation;
      settle({ limit: stepsToRest, hostsComeBack: false });
      expect(isFalseOfHost(simulation)).toBe(false);
      settle({ limit: stepsToRest });
      const { agentGeneration, alive, status } = reality(simulation);
      const expected = expectedAtRest(simulation);
      expect({ agentGeneration, alive }).toEqual({ agentGeneration: expected.agentGeneration, alive: expected.alive });
      expect(rows.row() && status).toEqual(rows.row() && expected.status);
      expect(falsehoods(simulation)).toEqual([]);
      expect(fleet.mostAlive()).toBeLessThanOrEqual(1);
      expect(fleet.agents().length).toBe(alive ? 1 : 0);
      expect(fleet.placement() !== undefined).toBe(alive === true);
      expect(simulation.state()?.hostId).toBe(fleet.placement()?.hostId);
    }),
    propertyRuns(20_000),
  );
});

test('whatever backup is restored and whatever false is said, the world comes to agree with the row in few steps', () => {
  fc.assert(
    fc.property(betrayedLife, (given) => {
      const simulation = settled(given);
      const { agentGeneration, alive, status } = reality(simulation);
      const expected = expectedAtRest(simulation);
      expect({ agentGeneration, alive }).toEqual({ agentGeneration: expected.agentGeneration, alive: expected.alive });
      expect(simulation.rows.row() && status).toEqual(simulation.rows.row() && expected.status);
      expect(simulation.state()?.doubt).toBeUndefined();
    }),
    { ...propertyRuns(20_000), examples: [[endedAfterItsRowWasRestored]] },
  );
});

test('events that come again, or late, once all is settled start no agent and emit nothing', () => {
  fc.assert(
    fc.property(life, (given) => {
      const simulation = settled(given);
      const { rows, settle, agent, state, deliver, deliverExit, deliverAgentEvent, tell } = simulation;
      const before = structuredClone({ log: rows.log, agent: agent(), state: state() });
      for (const index of [...rows.log.keys()].toReversed()) {
        deliver(index);
        settle({ limit: stepsToRest });
      }
      for (const index of simulation.exits.keys()) deliverExit(index);
      for (const index of simulation.agentEvents.keys()) deliverAgentEvent(index);
      const requestId = state()?.lastRetryRequest;
      if (requestId !== undefined) tell({ type: 'retryRequested', requestId });
      settle({ limit: stepsToRest });
      expect({ log: rows.log, agent: agent(), state: state() }).toEqual(before);
    }),
    propertyRuns(5_000),
  );
});

test('a suspended worker that wakes up once all is settled overwrites no status', () => {
  fc.assert(
    fc.property(lifeOnHosts, (given) => {
      const { rows, take } = settled(given);
      const before = structuredClone(rows.log);
      for (const pick of Array.from({ length: 50 }).keys()) take({ do: 'recordLate', pick });
      expect(rows.log).toEqual(before);
    }),
    propertyRuns(2_000),
  );
});

test('what failed or was drained runs again only with a new generation or when that is asked for', () => {
  fc.assert(
    fc.property(life, (given) => {
      /** The generation that may not begin, and the one that may go on, as far as this run of the workflow knows. */
      let over: number | undefined;
      let mayGoOn: number | undefined;
      /** For each provisioning whether it was allowed. */
      const begun: boolean[] = [];
      const onEvent: OnEvent = (before, event, after) => {
        if (before.knownRow.kind === 'unknown' || before.knownRow.kind === 'gone') over = mayGoOn = undefined;
        if (event.type === 'provisioningStarted') {
          const effect = decide(before);
          if (effect.type !== 'provision') throw new Error(`it was to ${effect.type}`);
          begun.push(effect.generation !== over && (!effect.resume || effect.generation === mayGoOn));
        }
        if (event.type === 'retryRequested' && event.requestId !== before.lastRetryRequest) over = undefined;
        if (event.type === 'provisioned') mayGoOn = event.row.generation;
        const { obstacle } = after;
        if (obstacle?.kind === 'failed' || obstacle?.kind === 'drained') {
          over = obstacle.generation;
          mayGoOn = undefined;
        }
      };
      play(given, onEvent).settle({ limit: stepsToRest });
      expect(begun).not.toContain(false);
    }),
    propertyRuns(5_000),
  );
});

test('a state is plain data: what continue-as-new hands on is what there was', () => {
  fc.assert(
    fc.property(lifeOnHosts, (given) => {
      play(given, (_before, _event, after) => expect(JSON.parse(JSON.stringify(after))).toStrictEqual(after));
    }),
    propertyRuns(2_000),
  );
});

test('hearing a message twice is hearing it once', () => {
  fc.assert(
    fc.property(lifeOnHosts, (given) => {
      play(given, (_before, event, after, now) => {
        // What is heard again may make the row be read again, and nothing else.
        const { doubt: _, ...again } = isMessage(event) ? evolve(after, event, now) : after;
        const { doubt: __, ...once } = after;
        // The exit of an agent that is known to be down is kept for the next provisioning to compare; but once.
        const exits = again.earlyExits.map(({ runtimeId }) => runtimeId);
        expect(exits).toEqual([...new Set(exits)]);
        expect({ ...again, earlyExits: once.earlyExits }).toStrictEqual(once);
      });
    }),
    propertyRuns(2_000),
  );
});

test('events of a row lead to the same state in any order, with or without repetition', () => {
  const changes = fc.array(fc.constantFrom('changeConfig', 'running', 'stopped', 'remove'), { maxLength: 10 });
  const shuffled = changes.chain((given) => {
    const rows = createRowModel();
    rows.insert();
    for (const change of given) {
      if (!rows.row()) break;
      if (change === 'changeConfig') rows.changeConfig();
      else if (change === 'remove') rows.remove();
      else rows.desire(change);
    }
    const messages = rows.log.flatMap((event) => toMessage(asIncoming('id', event)) ?? []);
    const repeated = fc.array(fc.constantFrom(...messages), { maxLength: 10 });
    return fc.record({
      messages: fc.constant(messages),
      disordered: repeated.chain((more) => {
        const all = [...messages, ...more];
        return fc.shuffledSubarray(all, { minLength: all.length });
      }),
    });
  });
  const fold = (events: InstanceEvent[]): InstanceState =>
    events.reduce<InstanceState>((state, event) => {
      const { doubt: _, cause: __, ...known } = evolve(state, event, 0);
      return known;
    }, initialState);
  fc.assert(
    fc.property(shuffled, ({ messages, disordered }) => {
      expect(fold(disordered)).toStrictEqual(fold(messages));
    }),
    propertyRuns(2_000),
  );
});

const messageTypes: ReadonlySet<InstanceEvent['type']> = new Set([
  'rowChanged',
  'rowDeleted',
  'runtimeExited',
  'retryRequested',
  'agentPublished',
  'agentDrained',
  'hostLost',
  'hostBack',
  'hostReplaceable',
  'moveRequested',
  'agentFound',
]);

function isMessage({ type }: InstanceEvent): boolean {
  return messageTypes.has(type);
}

/** The row and the agent at rest. */
function reality({ rows, agent, state }: Simulation) {
  const final = rows.log.slice(-1).find(({ type }) => type === 'instance.updated');
  const { status, observedGeneration } = rows.row() ?? final?.row ?? {};
  const { generation: agentGeneration, alive } = agent() ?? {};
  return { status, observedGeneration, agentGeneration, alive, working: state() !== undefined };
}

/** The desired state of the row, or the status that stands in for it while the instance cannot run. */
function expectedAtRest({ rows, state, blamed, drained, definition }: Simulation): ReturnType<typeof reality> {
  const row = rows.row();
  const observedGeneration = (row ?? rows.log.at(-1)?.row)?.generation;
  const none = { observedGeneration, agentGeneration: undefined, alive: undefined, working: true };
  if (!row) return { ...none, status: rows.log.length > 0 ? 'stopped' : undefined, working: false };
  if (row.desiredState === 'stopped') return { ...none, status: 'stopped' };
  const { kind } = state()?.obstacle ?? {};
  if (kind === 'failed' && blamed.has(row.generation)) return { ...none, status: 'failed' };
  if (kind === 'drained' && drained.has(row.generation)) return { ...none, status: 'stopped' };
  const { retired, drain } = definition() ?? { retired: false, drain: false };
  if (!definition()) return { ...none, status: 'pending' };
  if (retired && drain) return { ...none, status: 'failed' };
  return { status: 'running', observedGeneration, agentGeneration: row.generation, alive: true, working: true };
}

/** Whether the row says other things of the host of the instance than are true. */
function isFalseOfHost({ fleet, rows }: Simulation): boolean {
  const home = fleet.placement();
  const row = rows.row();
  if (!home || !row) return false;
  const saysRunning = row.status === 'running' && fleet.agentOn(home.hostId)?.alive !== true;
  return saysRunning || (row.reason?.code === 'host_lost') === fleet.holdsLease(home.hostId);
}

/** Events whose status was never true. */
function falsehoods({ rows, fleet, blamed, drained, ran, exitCounts, happened }: Simulation) {
  const desiredStateOf = (generation: number) =>
    rows.log.find(({ row }) => row.generation === generation)?.row.desiredState;
  // A later generation than the known one may have been told to drain.
  const wasDrained = (generation: number) => [...drained].some((told) => told >= generation);
  return rows.log.filter(({ type, row: { status, observedGeneration, reason } }, index) => {
    switch (reason?.code) {
      case 'agent_unknown':
        return status !== 'pending' || !happened.agentWasMissing;
      case 'restarting':
        return status !== 'pending' || !exitCounts.has(observedGeneration);
      case 'cleanup_failed':
        return status !== 'failed' || !happened.cleanUpFailed;
      case 'no_host':
        return status !== 'pending' || !happened.noHost;
      case 'host_lost':
        return status !== 'pending' || !fleet.happened.hostWasLost;
      case 'moving':
        return status !== 'pending' || !fleet.happened.hostWasDrained;
      case 'agent_retired':
        return status === 'stopped'
          ? !wasDrained(observedGeneration)
          : status !== 'failed' || !blamed.has(observedGeneration);
      case 'spec_rejected':
      case 'provisioning_failed':
      case 'agent_exited':
        return status !== 'failed' || !blamed.has(observedGeneration);
      case undefined: {
        if (status === 'stopped' && type === 'instance.updated' && rows.log[index - 1]?.type !== 'instance.deleted')
          return desiredStateOf(observedGeneration) !== 'stopped';
        return status === 'failed' || (status === 'running' && !ran.has(observedGeneration));
      }
    }
  });
}
