import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import type { InstanceEvent } from '../../workflows/state.ts';
import { silenceReplay } from '../../cli/replay-gate/silence-replay.ts';
import { findHistories } from './histories.ts';
import { readPayloads } from './scrub.ts';
import { scenarios } from './scenarios/scenarios.ts';
import { unreachableCells } from './unreachable.ts';
import { allCells, bundleObservedWorkflows, visitsOf, type Visits } from './visits.ts';
import { walk } from './walk.ts';

/** False for events that only runs from before a patch get. */
const eventTypes: Record<InstanceEvent['type'], boolean> = {
  rowChanged: true,
  rowDeleted: true,
  checkRequested: true,
  rowRead: true,
  rowGone: true,
  runtimeExited: true,
  retryRequested: true,
  agentPublished: true,
  agentDrained: true,
  hostLost: true,
  hostBack: true,
  hostReplaceable: true,
  moveRequested: true,
  agentFound: true,
  placingStarted: true,
  placed: true,
  noHost: true,
  located: true,
  cleanUpStarted: true,
  stepEnded: true,
  provisioningStarted: true,
  provisioned: true,
  notWanted: true,
  agentMissing: true,
  provisioningFailed: true,
  cleanedUp: true,
  cleanUpFailed: true,
  pauseOver: true,
  statusRecorded: true,
  statusSuperseded: true,
  finalStatusRecorded: true,
};

/** Histories of the current code. Those from before a patch visit what they always did. */
const { histories } = await findHistories();
const current = histories.filter(({ name }) => !name.includes('/'));
let visits: Map<string, Visits>;

beforeAll(async () => {
  silenceReplay();
  visits = await visitsOf(await bundleObservedWorkflows(), current);
});

test('every scenario has its history, which shows what it is to show', () => {
  const missing = Object.entries(scenarios).flatMap(([name, { shows = [] }]) => {
    const shown = visits.get(name)?.cells;
    if (!shown) return [`${name} is not recorded`];
    return shows.filter((cell) => !shown.has(cell)).map((cell) => `${name} does not show ${cell}`);
  });
  expect(missing).toEqual([]);
});

test('the histories visit every cell of the table that can be reached, and no other', () => {
  const visited = new Set([...visits.values()].flatMap(({ cells }) => [...cells]));
  expect([...visited].toSorted()).toEqual(allCells.filter((cell) => !unreachableCells.has(cell)).toSorted());
});

test('the histories hold every type of event', () => {
  const seen = new Set([...visits.values()].flatMap(({ events }) => [...events]));
  const awaited = Object.entries(eventTypes).filter(([, isCurrent]) => isCurrent);
  expect([...seen].toSorted()).toEqual(awaited.map(([type]) => type).toSorted());
});

test('no order of events leads to a cell that is said to be unreachable', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(), { minLength: 10, maxLength: 60 }), (choices) => {
      for (const cell of walk(choices)) expect(unreachableCells.get(cell)).toBeUndefined();
    }),
    { numRuns: 5_000 },
  );
});

test('the histories say nothing of the machine that they were recorded on', () => {
  const ofAMachine =
    /"identity":"(?!worker"|temporal-)[^"]*|\d+@[\w.-]+|\/(?:home|root|Users|work|workspace|opt|srv)\/[^"\s]*/g;
  const said = histories.flatMap(({ text }) => `${text}\n${readPayloads(text)}`.match(ofAMachine) ?? []);
  expect(said).toEqual([]);
});

test('the folder of the histories stays small', () => {
  const bytes = histories.reduce((sum, { text }) => sum + Buffer.byteLength(text), 0);
  expect(bytes).toBeLessThan(2_000_000);
});
