import { describe, expect, test } from 'vitest';
import type { Effect } from '../../workflows/decide.ts';
import { describeProgress } from '../../workflows/describe-progress.ts';
import { evolve } from '../../workflows/evolve.ts';
import type { RowState } from '../../workflows/messages.ts';
import type { InstanceEvent } from '../../workflows/state.ts';
import {
  after,
  agentExited,
  agentMissing,
  agentRetired,
  agentUnknown,
  begun,
  causeOf,
  cleanedUp,
  cleanUpFailed,
  cleanUpTimedOut,
  checkRequested,
  deleted,
  deletionHeard,
  drained,
  exit,
  finalRecorded,
  from,
  notWanted,
  pauseOver,
  provisioned,
  provisioningFailed,
  published,
  reason,
  record,
  recorded,
  retry,
  row,
  rowGone,
  rowRead,
  rowChanged,
  stepOf,
} from '../support/instance-events.ts';

/** Lives up to a point, to be gone on from. */
const running = [rowChanged(1, 1), begun, provisioned(row(1, 1)), recorded('running', row(2, 1))];
const failed = [rowChanged(1, 1), begun, provisioningFailed(1), cleanedUp, recorded('failed', row(2, 1), reason)];
const stopped = [...running, rowChanged(3, 2, 'stopped'), cleanedUp, recorded('stopped', row(4, 2, 'stopped'))];
const awaiting = [
  rowChanged(1, 1),
  begun,
  agentMissing(row(1, 1)),
  cleanedUp,
  recorded('pending', row(2, 1), agentUnknown),
];
const drainedOut = [...running, drained, cleanedUp, recorded('stopped', row(3, 1), agentRetired)];
const stuck = [...running, rowChanged(3, 2, 'stopped'), cleanUpFailed, recorded('failed', row(4, 2, 'stopped'), cleanUpTimedOut)]; // prettier-ignore

const cleanUpPauseMs = 10 * 60_000;
const wait: Effect = { type: 'wait' };
const waitForCleanUp: Effect = { type: 'wait', until: cleanUpPauseMs };
const complete: Effect = { type: 'complete' };
const hostId = 'host-1';
const cleanUp: Effect = { type: 'cleanUp', hostId };
const recordFinalStatus: Effect = { type: 'recordFinalStatus' };
const provision = (generation: number): Effect => ({ type: 'provision', generation, resume: false, hostId });
const resume = (generation: number): Effect => ({ type: 'provision', generation, resume: true, hostId });

test.each<[situation: string, life: Parameters<typeof after>, next: Effect]>([
  ['nothing was heard', [], wait],
  ['an exit came before any event of the row', [exit('exited')], wait],

  ['a row was created', [rowChanged(1, 1)], provision(1)],
  ['its agent runs', [rowChanged(1, 1), begun, provisioned(row(1, 1))], record('running', 1)],
  ['that is recorded', running, wait],
  ['provisioning ended without an answer', [rowChanged(1, 1), begun], provision(1)],
  ['the row changed while its status was recorded', [...running.slice(0, 3), recorded('running', row(3, 2))], record('pending', 2)], // prettier-ignore

  ['the config of a running instance changed', [...running, rowChanged(3, 2)], record('pending', 2)],
  ['and that it is pending was recorded', [...running, rowChanged(3, 2), recorded('pending', row(4, 2))], provision(2)],
  ['provisioning read a later row than was heard of', [rowChanged(1, 1), begun, provisioned(row(2, 2))], record('running', 2)], // prettier-ignore
  ['provisioning read an earlier row than was heard of', [rowChanged(1, 1), begun, rowChanged(2, 2), provisioned(row(1, 1))], provision(2)], // prettier-ignore

  ['a running instance is to stop', [...running, rowChanged(3, 2, 'stopped')], cleanUp],
  ['its agent was stopped', [...running, rowChanged(3, 2, 'stopped'), cleanedUp], record('stopped', 2)],
  ['that is recorded', stopped, wait],
  ['it is to run again', [...stopped, rowChanged(5, 3)], record('pending', 3)],
  ['a row was created stopped: an earlier run may have left an agent', [rowChanged(1, 1, 'stopped')], cleanUp],
  ['provisioning found the row stopped', [rowChanged(1, 1), begun, notWanted(row(2, 2, 'stopped'))], cleanUp], // prettier-ignore

  ['provisioning failed: it may have left something', [rowChanged(1, 1), begun, provisioningFailed(1)], cleanUp],
  ['that was removed', [rowChanged(1, 1), begun, provisioningFailed(1), cleanedUp], record('failed', 1, reason)],
  ['the failure is recorded', failed, wait],
  ['a failed instance got a new generation', [...failed, rowChanged(3, 2)], record('pending', 2)],
  ['and that it is pending was recorded', [...failed, rowChanged(3, 2), recorded('pending', row(4, 2))], provision(2)],
  ['a failed instance is to stop', [...failed, rowChanged(3, 2, 'stopped')], record('stopped', 2)],
  ['a failed instance was deleted', [...failed, deleted(3)], recordFinalStatus],
  [
    'what failed is an earlier generation',
    [rowChanged(1, 1), begun, rowChanged(2, 2), provisioningFailed(1)],
    provision(2),
  ],

  ['the agent exited', [...running, exit('exited')], cleanUp],
  ['what was left of it was removed', [...running, exit('exited'), cleanedUp], record('failed', 1, agentExited)],
  ['the agent was lost', [...running, exit('lost')], record('pending', 1)],
  ['that is recorded', [...running, exit('lost'), recorded('pending', row(3, 1))], resume(1)],
  ['another agent than the running one exited', [...running, exit('exited', 'other')], wait],
  ['the agent exited before its provisioning ended', [rowChanged(1, 1), begun, exit('exited'), provisioned(row(1, 1))], cleanUp], // prettier-ignore
  ['the agent was lost before its provisioning ended', [rowChanged(1, 1), begun, exit('lost'), provisioned(row(1, 1))], resume(1)], // prettier-ignore
  ['an earlier start of the agent exited before provisioning ended', [rowChanged(1, 1), begun, exit('exited'), provisioned(row(1, 1), 'second')], record('running', 1)], // prettier-ignore
  ['the agent of an outdated generation exited', [...running, rowChanged(3, 2), exit('exited')], record('pending', 2)],

  ['the agent is not published', awaiting.slice(0, 3), cleanUp],
  ['and nothing is left of the attempt', awaiting.slice(0, 4), record('pending', 1, agentUnknown)],
  ['that is recorded', awaiting, wait],
  ['the awaited agent is published', [...awaiting, published], provision(1)],
  ['it was published before it was looked for: what is found counts', [rowChanged(1, 1), published, begun, agentMissing(row(1, 1))], cleanUp], // prettier-ignore
  [
    'it was published while it was looked for',
    [rowChanged(1, 1), begun, published, agentMissing(row(1, 1))],
    provision(1),
  ],
  ['it was published before the wait was recorded', [...awaiting.slice(0, 4), published], provision(1)],
  ['it was published while the attempt was cleaned up after', [...awaiting.slice(0, 3), published, cleanedUp], provision(1)], // prettier-ignore
  ['another generation wants another agent than the missing one', [rowChanged(1, 1), begun, rowChanged(2, 2), agentMissing(row(1, 1))], provision(2)], // prettier-ignore
  ['a new generation comes while an agent is awaited', [...awaiting, rowChanged(3, 2)], provision(2)],
  ['an instance whose agent is awaited is to stop', [...awaiting, rowChanged(3, 2, 'stopped')], record('stopped', 2)],
  ['an instance whose agent is awaited was deleted', [...awaiting, deleted(3)], recordFinalStatus],
  ['a retry is asked for while an agent is awaited', [...awaiting, retry()], wait],
  ['the agent of a running instance is published anew', [...running, published], wait],

  ['the agent is drained', [...running, drained], cleanUp],
  ['and was stopped', [...running, drained, cleanedUp], record('stopped', 1, agentRetired)],
  ['that is recorded', drainedOut, wait],
  ['a drained instance is tried again', [...drainedOut, retry()], record('pending', 1)],
  ['a retry comes before it was stopped', [...running, drained, retry()], cleanUp],
  ['a retry comes before the drained provisioning ended', [rowChanged(1, 1), begun, drained, retry(), provisioned(row(1, 1))], cleanUp], // prettier-ignore
  ['it has no right to go on', [...drainedOut, retry(), recorded('pending', row(4, 1))], provision(1)],
  ['a drained instance got a new generation', [...drainedOut, rowChanged(4, 2)], record('pending', 2)],
  ['a drained instance was deleted', [...drainedOut, deleted(4)], recordFinalStatus],
  ['the agent is drained while it is provisioned', [rowChanged(1, 1), begun, drained], cleanUp],
  ['it became ready before it was cancelled', [rowChanged(1, 1), begun, drained, provisioned(row(1, 1))], cleanUp],
  ['it ended before it was cancelled: it is drained all the same', [rowChanged(1, 1), begun, exit('exited'), drained, provisioned(row(1, 1)), cleanedUp], record('stopped', 1, agentRetired)], // prettier-ignore
  ['a drained agent ends before it is stopped', [...running, drained, exit('exited'), cleanedUp], record('stopped', 1, agentRetired)], // prettier-ignore
  ['and is tried again: it has no right to go on', [rowChanged(1, 1), begun, drained, provisioned(row(1, 1)), cleanedUp, retry()], provision(1)], // prettier-ignore
  ['the agent was missing, published and drained while it was looked for', [rowChanged(1, 1), begun, drained, agentMissing(row(1, 1)), published], cleanUp], // prettier-ignore
  ['the agent that is awaited is drained', [...awaiting, drained], record('stopped', 1, agentRetired)],
  ['a generation that is not known yet is drained, and turns out to run', [rowChanged(1, 1), begun, { ...drained, generation: 2 }, provisioned(row(2, 2))], cleanUp], // prettier-ignore
  ['an earlier generation is drained', [...running, rowChanged(3, 2), drained], record('pending', 2)], // prettier-ignore
  ['the agent is drained before any event of the row', [drained], wait],
  ['the agent of a deleted instance is drained', [...running, deleted(3), cleanedUp, drained], recordFinalStatus],

  ['a failed instance is tried again', [...failed, retry()], record('pending', 1)],
  ['and that it is pending was recorded', [...failed, retry(), recorded('pending', row(3, 1))], provision(1)],
  ['it fails again', [...failed, retry(), begun, provisioningFailed(1)], cleanUp],
  ['the same request for a retry comes again', [...failed, retry(), begun, provisioningFailed(1), cleanedUp, retry()], wait], // prettier-ignore
  ['another request for a retry comes', [...failed, retry(), begun, provisioningFailed(1), cleanedUp, retry('other')], record('pending', 1)], // prettier-ignore
  ['a retry of what runs is asked for', [...running, retry()], wait],
  ['a retry of what is stopped is asked for', [...stopped, retry()], wait],

  ['clean-up did not succeed in time', stuck.slice(0, -1), record('failed', 2, cleanUpTimedOut)],
  ['that is recorded', stuck, waitForCleanUp],
  ['the pause is over', [...stuck, pauseOver], cleanUp],
  ['and this time it was cleaned up', [...stuck, pauseOver, cleanedUp], record('stopped', 2)],
  ['and again it was not', [...stuck, cleanUpPauseMs, pauseOver, cleanUpFailed], { ...waitForCleanUp, until: 2 * cleanUpPauseMs }], // prettier-ignore
  ['a retry is asked for during the pause', [...stuck, retry()], cleanUp],
  ['a new generation comes during the pause', [...stuck, rowChanged(5, 3)], record('pending', 3)],
  ['what failed could not be removed', [...failed.slice(0, 3), cleanUpFailed], record('failed', 1, cleanUpTimedOut)],
  ['and in the end it was', [...failed.slice(0, 3), cleanUpFailed, pauseOver, cleanedUp], record('failed', 1, reason)],
  ['what was drained could not be removed, and in the end it was', [...running, drained, cleanUpFailed, pauseOver, cleanedUp], record('stopped', 1, agentRetired)], // prettier-ignore
  [
    'what failed and could not be removed is tried again',
    [...failed.slice(0, 3), cleanUpFailed, retry()],
    provision(1),
  ],
  ['what could not be removed is deleted', [...stuck, deleted(5)], cleanUp],

  ['a running instance was deleted', [...running, deleted(3)], cleanUp],
  ['its agent was stopped', [...running, deleted(3), cleanedUp], recordFinalStatus],
  ['its end is recorded', [...running, deleted(3), cleanedUp, finalRecorded], complete],
  ['a stopped instance was deleted', [...stopped, deleted(5)], recordFinalStatus],
  ['a deletion came before the creation', [deleted(2)], cleanUp],
  ['and then the creation came', [deleted(2), rowChanged(1, 1)], cleanUp],
  ['provisioning found the row gone', [rowChanged(1, 1), begun, rowGone], cleanUp],
  ['it was deleted while being provisioned', [rowChanged(1, 1), begun, deleted(2), provisioned(row(1, 1))], cleanUp],
  ['recording found the row gone', [...running.slice(0, 3), rowGone], cleanUp],

  ['a row of the same id came after a deletion', [...running, deleted(3), rowChanged(4, 4)], cleanUp],
  ['what ran for the old row was removed', [...running, deleted(3), rowChanged(4, 4), cleanedUp], provision(4)],
  ['it came while the agent of the old one was provisioned', [rowChanged(1, 1), begun, deleted(2), rowChanged(3, 3), provisioned(row(1, 1))], cleanUp], // prettier-ignore
  ['provisioning read it, and its agent ended before the deletion of the old one was heard', [rowChanged(1, 1), begun, deleted(2), rowChanged(3, 3), exit('exited'), provisioned(row(3, 3))], cleanUp], // prettier-ignore
  ['it came and the deletion went missing', [...running, rowChanged(4, 4)], record('pending', 4)],
  ['recording the end found a new row', [...running, deleted(3), cleanedUp, { type: 'finalStatusRecorded', row: row(4, 4) }], provision(4)], // prettier-ignore
  ['the new row was deleted too', [deleted(2), cleanedUp, finalRecorded, deleted(5)], recordFinalStatus],
])('when %s', (_situation, life, next) => {
  const { doubt: _, ...state } = after(...life);
  expect(stepOf(state)).toEqual(next);
  expect(describeProgress(state, next)).toMatch(/\.$/);
});

describe('what was heard', () => {
  test('is of the highest sequence, whatever comes later', () => {
    const state = after(rowChanged(3, 2, 'stopped'));
    expect(after(rowChanged(3, 2, 'stopped'), rowChanged(1, 1))).toEqual(state);
    expect(after(rowChanged(3, 2, 'stopped'), deletionHeard(2))).toEqual({ ...state, doubt: 'contradicted' });
  });

  test('names the latest event from the bus as the cause of what follows', () => {
    expect(after(...running, rowChanged(3, 2)).cause).toEqual(causeOf(3));
    expect(after(...running, rowChanged(3, 2), rowChanged(1, 1)).cause).toEqual(causeOf(3));
  });

  test('never changes the state that it is applied to', () => {
    const state = after(...running, exit('lost'));
    const copy = structuredClone(state);
    for (const event of [rowChanged(3, 2), ...deleted(9), exit('exited'), ...begun, ...cleanedUp])
      evolve(state, event, 0);
    expect(state).toEqual(copy);
  });

  test('of exits that belong to no agent yet stays bounded, and the latest are kept', () => {
    const ids = Array.from({ length: 100 }, (_, index) => `runtime-${index}`);
    const { earlyExits } = after(rowChanged(1, 1), begun, ...ids.map((id) => exit('exited', id)));
    expect(earlyExits.length).toBeLessThan(10);
    expect(earlyExits.at(-1)).toEqual(exit('exited', 'runtime-99'));
  });

  test('of one exit a hundred times pushes no other out', () => {
    const repeated = Array.from({ length: 100 }, () => exit('exited', 'other'));
    const state = after(rowChanged(1, 1), begun, exit('exited', 'first'), ...repeated, provisioned(row(1, 1), 'first'));
    expect(state.obstacle?.reason).toEqual(agentExited);
  });
});

describe('before anything is stopped or removed', () => {
  const readRow: Effect = { type: 'readRow' };
  const seen = (sequence: number, generation: number, fields: Partial<RowState> = {}): InstanceEvent =>
    rowRead({ ...row(sequence, generation), status: 'running', observedGeneration: generation, ...fields });

  test.each<[situation: string, heard: InstanceEvent, read: InstanceEvent, next: Effect]>([
    ['a deletion was heard that is false', deletionHeard(999), seen(2, 1), wait],
    ['a deletion was heard', deletionHeard(3), rowRead(null), cleanUp],
    ['a stop was heard that is false', rowChanged(999, 999, 'stopped'), seen(2, 1), wait],
    [
      'a stop was heard',
      rowChanged(3, 2, 'stopped'),
      seen(3, 2, { desiredState: 'stopped', observedGeneration: 1 }),
      cleanUp,
    ],
    [
      'the row was restored, and says that it is to stop',
      checkRequested,
      seen(1, 1, { desiredState: 'stopped' }),
      cleanUp,
    ],
  ])('%s: the row is read, and decides', (_situation, heard, read, next) => {
    const doubtful = after(...running, heard);
    expect(stepOf(doubtful)).toEqual(readRow);
    expect(describeProgress(doubtful, readRow)).toMatch(/\.$/);
    expect(stepOf(from(doubtful, read))).toEqual(next);
  });

  test('a row that was restored to an earlier generation gets an agent of that generation, and later events count', () => {
    const later = [...running, rowChanged(11, 7), begun, provisioned(row(11, 7)), recorded('running', row(12, 7))];
    const restored = after(...later, checkRequested, seen(2, 1));
    expect(restored).toMatchObject({ sequence: 2, knownRow: { generation: 1 } });
    expect(stepOf(restored)).toEqual(record('pending', 1));
    expect(stepOf(from(restored, recorded('pending', row(3, 1))))).toEqual(provision(1));
    expect(from(restored, rowChanged(3, 2)).knownRow).toMatchObject({ generation: 2 });
  });

  test('a row that says running although it was stopped since gets its agent back', () => {
    const restored = after(...stopped, checkRequested, seen(2, 1));
    expect(stepOf(restored)).toEqual(record('pending', 1));
  });

  test('the end of a row that is there after all is not recorded again and again', () => {
    const found = after(...running, ...deleted(999), cleanedUp, { type: 'finalStatusRecorded', row: row(2, 1) });
    expect(stepOf(found)).toEqual(provision(1));
  });
});
