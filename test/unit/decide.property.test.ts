import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { toMessage } from '../../bridge/instance-router.ts';
import { evolve, initialState, type InstanceEvent, type InstanceState } from '../../workflows/state.ts';
import { createSimulation, type Simulation, type Step } from '../support/instance-simulation.ts';
import { asIncoming, createRowModel } from '../support/row-model.ts';

/** From any state, with nothing new to hear and nothing going wrong, fewer steps than this lead to rest. */
const stepsToRest = 16;

const desiredState = fc.constantFrom('running', 'running', 'stopped');
const pick = fc.nat({ max: 40 });
const wish = fc.oneof(
  fc.record({ do: fc.constant('insert'), desiredState }),
  fc.record({ do: fc.constantFrom('changeConfig', 'toggle', 'remove') }),
);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: wish },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('deliver'), pick }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('deliverExit'), pick }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('exit'), kind: fc.constantFrom('exited', 'lost') }) },
  {
    weight: 16,
    arbitrary: fc.record({
      do: fc.constant('advance'),
      ending: fc.constantFrom('done', 'done', 'done', 'failed', 'error', 'answerLost'),
    }),
  },
);
const life = fc.array(step, { maxLength: 60, size: 'max' });

/** Provisioning read the second row, and its agent ended before the deletion of the first one was told. */
const diedWhileItsRowWasReplaced: Step[] = [
  { do: 'insert', desiredState: 'running' },
  { do: 'remove' },
  { do: 'insert', desiredState: 'running' },
  { do: 'deliver', pick: 0 },
  { do: 'advance', ending: 'done' },
  { do: 'deliver', pick: 4 },
  { do: 'advance', ending: 'done' },
  { do: 'exit', kind: 'exited' },
];

// Seconds on a busy machine. fast-check prints the seed and the shortest life that breaks the rule.
vi.setConfig({ testTimeout: 60_000 });

test('whatever is shuffled, repeated or missing, the world comes to agree with the row', () => {
  fc.assert(
    fc.property(life, (steps) => {
      const simulation = createSimulation();
      steps.forEach(simulation.take);
      simulation.settle({ limit: stepsToRest });
      expect(reality(simulation)).toEqual(wishes(simulation));
      expect(falsehoods(simulation)).toEqual([]);
    }),
    { numRuns: 20_000, examples: [[diedWhileItsRowWasReplaced]] },
  );
});

test('events that come again, or late, once all is settled start no agent and emit nothing', () => {
  fc.assert(
    fc.property(life, (steps) => {
      const simulation = createSimulation();
      const { rows, take, settle, agent, state, deliver } = simulation;
      steps.forEach(take);
      settle({ limit: stepsToRest });
      const before = structuredClone({ log: rows.log, agent: agent(), state: state() });
      for (const index of [...rows.log.keys()].toReversed()) {
        deliver(index);
        settle({ limit: stepsToRest });
      }
      expect({ log: rows.log, agent: agent(), state: state() }).toEqual(before);
    }),
    { numRuns: 5_000 },
  );
});

test('a state is plain data: what continue-as-new hands on is what there was', () => {
  fc.assert(
    fc.property(life, (steps) => {
      const onEvent: OnEvent = (_before, _event, after) =>
        expect(JSON.parse(JSON.stringify(after))).toStrictEqual(after);
      steps.forEach(createSimulation({ onEvent }).take);
    }),
    { numRuns: 2_000 },
  );
});

test('hearing a message twice is hearing it once', () => {
  fc.assert(
    fc.property(life, (steps) => {
      const onEvent: OnEvent = (_before, event, after) => {
        const again = isMessage(event) ? evolve(after, event) : after;
        // The exit of an agent that is known to be down is kept for the next provisioning to compare; but once.
        const exits = again.earlyExits.map(({ runtimeId }) => runtimeId);
        expect(exits).toEqual([...new Set(exits)]);
        expect({ ...again, earlyExits: after.earlyExits }).toStrictEqual(after);
      };
      steps.forEach(createSimulation({ onEvent }).take);
    }),
    { numRuns: 2_000 },
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
  fc.assert(
    fc.property(shuffled, ({ messages, disordered }) => {
      expect(disordered.reduce<InstanceState>(evolve, initialState)).toStrictEqual(
        messages.reduce<InstanceState>(evolve, initialState),
      );
    }),
    { numRuns: 2_000 },
  );
});

type OnEvent = (before: InstanceState, event: InstanceEvent, after: InstanceState) => void;

function isMessage({ type }: InstanceEvent): boolean {
  return type === 'rowChanged' || type === 'rowDeleted' || type === 'runtimeExited';
}

/** What is, at rest. */
function reality({ rows, agent, state }: Simulation) {
  const final = rows.log.slice(-1).find(({ type }) => type === 'instance.updated');
  const { status, observedGeneration } = rows.row() ?? final?.row ?? {};
  const { generation: agentGeneration, alive } = agent() ?? {};
  return { status, observedGeneration, agentGeneration, alive, working: state() !== undefined };
}

/** What the row wants to be; or, where the world said that it cannot run, `failed`. */
function wishes({ rows, state, blamed }: Simulation): ReturnType<typeof reality> {
  const row = rows.row();
  const observedGeneration = (row ?? rows.log.at(-1)?.row)?.generation;
  const none = { observedGeneration, agentGeneration: undefined, alive: undefined };
  if (!row) return { ...none, status: rows.log.length > 0 ? 'stopped' : undefined, working: false };
  if (row.desiredState === 'stopped') return { ...none, status: 'stopped', working: true };
  if (state()?.failure && blamed.has(row.generation)) return { ...none, status: 'failed', working: true };
  return { status: 'running', observedGeneration, agentGeneration: row.generation, alive: true, working: true };
}

/** What was said on the bus without ever having been so. */
function falsehoods({ rows, blamed, ran }: Simulation) {
  return rows.log.filter(({ row: { status, observedGeneration } }) => {
    if (status === 'failed') return !blamed.has(observedGeneration);
    return status === 'running' && !ran.has(observedGeneration);
  });
}
