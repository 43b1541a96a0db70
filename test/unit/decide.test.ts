import { describe, expect, test } from 'vitest';
import { decide, type Effect } from '../../workflows/decide.ts';
import { describeProgress } from '../../workflows/describe-progress.ts';
import type { Cause, RowReading } from '../../workflows/messages.ts';
import { evolve, initialState, type InstanceEvent, type InstanceState } from '../../workflows/state.ts';

const reason = { code: 'provisioning_failed', message: 'The agent was not ready in time.' } as const;
const causeOf = (sequence: number): Cause => ({ eventId: `event-${sequence}`, correlationId: 'c', traceparent: 't' });
const row = (sequence: number, generation: number, desiredState: RowReading['desiredState'] = 'running') => ({
  sequence,
  generation,
  desiredState,
});

const wants = (...given: Parameters<typeof row>): InstanceEvent => ({
  type: 'rowChanged',
  ...row(...given),
  cause: causeOf(given[0]),
});
const deleted = (sequence: number): InstanceEvent => ({ type: 'rowDeleted', sequence, cause: causeOf(sequence) });
const begun: InstanceEvent = { type: 'provisioningStarted' };
const provisioned = (reading: RowReading, runtimeId = 'first'): InstanceEvent => ({
  type: 'provisioned',
  row: reading,
  runtimeId,
});
const provisioningFailed = (generation: number): InstanceEvent => ({ type: 'provisioningFailed', generation, reason });
const recorded = (
  status: Extract<InstanceEvent, { type: 'statusRecorded' }>['status'],
  reading: RowReading,
): InstanceEvent => ({
  type: 'statusRecorded',
  status,
  generation: reading.generation,
  row: reading,
  ...(status === 'failed' && { reason }),
});
const exit = (kind: 'exited' | 'lost', runtimeId = 'first'): InstanceEvent => ({
  type: 'runtimeExited',
  runtimeId,
  kind,
  message: 'It ended with code 1.',
});
const cleanedUp: InstanceEvent = { type: 'cleanedUp' };
const rowGone: InstanceEvent = { type: 'rowGone' };
const finalRecorded: InstanceEvent = { type: 'finalStatusRecorded' };

const after = (...events: InstanceEvent[]): InstanceState => events.reduce(evolve, initialState);

/** Lives up to a point, to be gone on from. */
const running = [wants(1, 1), begun, provisioned(row(1, 1)), recorded('running', row(2, 1))];
const failed = [wants(1, 1), begun, provisioningFailed(1), cleanedUp, recorded('failed', row(2, 1))];
const stopped = [...running, wants(3, 2, 'stopped'), cleanedUp, recorded('stopped', row(4, 2, 'stopped'))];

const wait: Effect = { type: 'wait' };
const complete: Effect = { type: 'complete' };
const cleanUp: Effect = { type: 'cleanUp' };
const recordFinalStatus: Effect = { type: 'recordFinalStatus' };
const provision = (generation: number): Effect => ({ type: 'provision', generation });
const record = (
  status: Extract<Effect, { type: 'recordStatus' }>['status'],
  generation: number,
  why?: Extract<Effect, { type: 'recordStatus' }>['reason'],
): Effect => ({ type: 'recordStatus', status, generation, ...(why && { reason: why }) });
const agentExited = { code: 'agent_exited', message: 'It ended with code 1.' } as const;

test.each<[situation: string, events: InstanceEvent[], next: Effect]>([
  ['nothing was heard', [], wait],
  ['an exit came before any event of the row', [exit('exited')], wait],

  ['a row was created', [wants(1, 1)], provision(1)],
  ['its agent runs', [wants(1, 1), begun, provisioned(row(1, 1))], record('running', 1)],
  ['that is recorded', running, wait],
  ['provisioning ended without an answer', [wants(1, 1), begun], provision(1)],
  ['the row changed while its status was recorded', [...running.slice(0, 3), recorded('running', row(3, 2))], record('pending', 2)], // prettier-ignore

  ['the config of a running instance changed', [...running, wants(3, 2)], record('pending', 2)],
  ['and that it is pending was recorded', [...running, wants(3, 2), recorded('pending', row(4, 2))], provision(2)],
  ['provisioning read a later row than was heard of', [wants(1, 1), begun, provisioned(row(2, 2))], record('running', 2)], // prettier-ignore
  ['provisioning read an earlier row than was heard of', [wants(1, 1), begun, wants(2, 2), provisioned(row(1, 1))], provision(2)], // prettier-ignore

  ['a running instance is to stop', [...running, wants(3, 2, 'stopped')], cleanUp],
  ['its agent was stopped', [...running, wants(3, 2, 'stopped'), cleanedUp], record('stopped', 2)],
  ['that is recorded', stopped, wait],
  ['it is to run again', [...stopped, wants(5, 3)], record('pending', 3)],
  ['a row was created stopped: an earlier run may have left an agent', [wants(1, 1, 'stopped')], cleanUp],
  ['provisioning found the row stopped', [wants(1, 1), begun, { type: 'notWanted', row: row(2, 2, 'stopped') }], cleanUp], // prettier-ignore

  ['provisioning failed: it may have left something', [wants(1, 1), begun, provisioningFailed(1)], cleanUp],
  ['that was removed', [wants(1, 1), begun, provisioningFailed(1), cleanedUp], record('failed', 1, reason)],
  ['the failure is recorded', failed, wait],
  ['a failed instance got a new generation', [...failed, wants(3, 2)], record('pending', 2)],
  ['and that it is pending was recorded', [...failed, wants(3, 2), recorded('pending', row(4, 2))], provision(2)],
  ['a failed instance is to stop', [...failed, wants(3, 2, 'stopped')], record('stopped', 2)],
  ['a failed instance was deleted', [...failed, deleted(3)], recordFinalStatus],
  ['what failed is no longer wanted', [wants(1, 1), begun, wants(2, 2), provisioningFailed(1)], provision(2)],

  ['the agent exited', [...running, exit('exited')], cleanUp],
  ['what was left of it was removed', [...running, exit('exited'), cleanedUp], record('failed', 1, agentExited)],
  ['the agent was lost', [...running, exit('lost')], record('pending', 1)],
  ['another agent than the running one exited', [...running, exit('exited', 'other')], wait],
  ['the agent exited before its provisioning ended', [wants(1, 1), begun, exit('exited'), provisioned(row(1, 1))], cleanUp], // prettier-ignore
  ['the agent was lost before its provisioning ended', [wants(1, 1), begun, exit('lost'), provisioned(row(1, 1))], provision(1)], // prettier-ignore
  ['an earlier start of the agent exited before provisioning ended', [wants(1, 1), begun, exit('exited'), provisioned(row(1, 1), 'second')], record('running', 1)], // prettier-ignore
  ['the agent of an outdated generation exited', [...running, wants(3, 2), exit('exited')], record('pending', 2)],

  ['a running instance was deleted', [...running, deleted(3)], cleanUp],
  ['its agent was stopped', [...running, deleted(3), cleanedUp], recordFinalStatus],
  ['its end is recorded', [...running, deleted(3), cleanedUp, finalRecorded], complete],
  ['a stopped instance was deleted', [...stopped, deleted(5)], recordFinalStatus],
  ['a deletion came before the creation', [deleted(2)], cleanUp],
  ['and then the creation came', [deleted(2), wants(1, 1)], cleanUp],
  ['provisioning found the row gone', [wants(1, 1), begun, rowGone], cleanUp],
  ['it was deleted while being provisioned', [wants(1, 1), begun, deleted(2), provisioned(row(1, 1))], cleanUp],
  ['recording found the row gone', [...running.slice(0, 3), rowGone], cleanUp],

  ['a row of the same id came after a deletion', [...running, deleted(3), wants(4, 4)], cleanUp],
  ['what ran for the old row was removed', [...running, deleted(3), wants(4, 4), cleanedUp], provision(4)],
  ['it came and the deletion went missing', [...running, wants(4, 4)], record('pending', 4)],
  ['recording the end found a new row', [...running, deleted(3), cleanedUp, { type: 'finalStatusRecorded', row: row(4, 4) }], provision(4)], // prettier-ignore
  ['the new row was deleted too', [deleted(2), cleanedUp, finalRecorded, deleted(5)], recordFinalStatus],
])('when %s', (_situation, events, next) => {
  const state = after(...events);
  expect(decide(state)).toEqual(next);
  expect(describeProgress(state, next)).toMatch(/\.$/);
});

describe('what was heard', () => {
  test('is of the highest sequence, whatever comes later', () => {
    expect(after(wants(3, 2, 'stopped'), wants(1, 1), deleted(2))).toEqual(after(wants(3, 2, 'stopped')));
  });

  test('names the latest event from the bus as the cause of what follows', () => {
    expect(after(...running, wants(3, 2)).cause).toEqual(causeOf(3));
    expect(after(...running, wants(3, 2), wants(1, 1)).cause).toEqual(causeOf(3));
  });

  test('never changes the state that it is applied to', () => {
    const state = after(...running, exit('lost'));
    const copy = structuredClone(state);
    for (const event of [wants(3, 2), deleted(9), exit('exited'), begun, cleanedUp]) evolve(state, event);
    expect(state).toEqual(copy);
  });

  test('of exits that belong to no agent yet stays bounded, and the latest are kept', () => {
    const ids = Array.from({ length: 100 }, (_, index) => `runtime-${index}`);
    const { earlyExits } = after(wants(1, 1), begun, ...ids.map((id) => exit('exited', id)));
    expect(earlyExits.length).toBeLessThan(10);
    expect(earlyExits.at(-1)).toEqual(exit('exited', 'runtime-99'));
  });

  test('of one exit a hundred times pushes no other out', () => {
    const repeated = Array.from({ length: 100 }, () => exit('exited', 'other'));
    const state = after(wants(1, 1), begun, exit('exited', 'first'), ...repeated, provisioned(row(1, 1), 'first'));
    expect(state.failure?.reason).toEqual(agentExited);
  });
});
