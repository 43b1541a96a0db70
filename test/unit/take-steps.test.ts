import { beforeEach, expect, test } from 'vitest';
import type { HostSteps, RowSteps } from '../../activities/steps.ts';
import { takeSteps } from '../../activities/take-steps.ts';
import { beginningOf } from '../../workflows/beginnings.ts';
import { evolve } from '../../workflows/evolve.ts';
import { initialState, type InstanceState } from '../../workflows/state.ts';
import { neverRestart, row, rowChanged } from '../support/instance-events.ts';

const place = { type: 'place', generation: 1 } as const;
/** The workflow has heard of the row, and has begun to look for a host. */
const created: InstanceState = [rowChanged(1, 1), beginningOf(place)].reduce<InstanceState>(
  (state, event) => (event ? evolve(state, event, 0) : state),
  initialState,
);
const input = { instanceId: 'instance', state: created, effect: place };

let rowSteps: RowSteps;
let provision: HostSteps['provision'];
let seconds: number;

beforeEach(() => {
  seconds = 1_000;
  const unasked = () => Promise.reject(new Error('nobody should ask this'));
  rowSteps = {
    place: async () => ({ outcome: 'placed', hostId: 'host-1' }),
    recordStatus: async () => ({ outcome: 'recorded', row: row(2, 1) }),
    locate: unasked,
    readRow: unasked,
    recordFinalStatus: unasked,
  };
  provision = async () => ({
    outcome: 'provisioned',
    row: row(1, 1),
    runtimeId: 'first',
    where: 'process 1',
    restart: neverRestart,
  });
});

async function take(given: Parameters<typeof takeSteps>[0] = input, signal = new AbortController().signal) {
  const hostSteps: HostSteps = { provision: (...args) => provision(...args), cleanUp: async () => undefined };
  const takers = { rowSteps, hostSteps: (hostId: string) => (hostId === 'host-1' ? hostSteps : undefined) };
  const events = await takeSteps(given, takers, { signal, heartbeat: () => undefined }, () => seconds);
  return events.map(({ type }) => type);
}

test('one activity finds the host, starts the agent and records that it runs', async () => {
  expect(await take()).toEqual(['placed', 'provisioningStarted', 'provisioned', 'statusRecorded']);
});

test('what another worker has to do is left to the workflow', async () => {
  rowSteps.place = async () => ({ outcome: 'placed', hostId: 'host-2' });
  expect(await take()).toEqual(['placed']);
});

test('a step that follows and fails is left to the workflow', async () => {
  provision = () => Promise.reject(new Error('no memory'));
  expect(await take()).toEqual(['placed', 'provisioningStarted']);
});

test('a first step that fails fails the activity', async () => {
  rowSteps.place = () => Promise.reject(new Error('the database is away'));
  await expect(take()).rejects.toThrow('the database is away');
});

test('a worker that was paused goes no further', async () => {
  rowSteps.place = async () => {
    seconds += 5;
    return { outcome: 'placed', hostId: 'host-1' };
  };
  expect(await take()).toEqual(['placed']);
});

test('a cancelled activity goes no further, and says what it has done', async () => {
  const cancel = new AbortController();
  provision = async () => {
    cancel.abort();
    return { outcome: 'provisioned', row: row(1, 1), runtimeId: 'first', where: 'process 1', restart: neverRestart };
  };
  expect(await take(input, cancel.signal)).toEqual(['placed', 'provisioningStarted', 'provisioned']);
});

test('beside another step of the instance, one step is taken alone', async () => {
  expect(await take({ ...input, alone: true })).toEqual(['placed']);
});

test('steps that lead nowhere end the activity', async () => {
  let sequence = 1;
  // Each reading contradicts the one before, so that the row is read again and again.
  rowSteps.readRow = async () => ({ ...row((sequence += 1), sequence), status: 'pending', observedGeneration: 0 });
  rowSteps.recordStatus = async () => ({ outcome: 'superseded', row: row(2, 1) });
  expect((await take()).length).toBeLessThan(20);
});
