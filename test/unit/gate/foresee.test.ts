import { expect, test } from 'vitest';
import { foresee } from '../../../activities/gate/foresee.ts';
import { decide, type Effect } from '../../../workflows/decide.ts';
import { initialState, type InstanceState } from '../../../workflows/state.ts';

const hostId = 'host-1';
const restart = { policy: 'never', maxRestarts: 0, backoffMs: 0, maxBackoffMs: 0, resetAfterMs: 0 } as const;
const running: InstanceState = {
  ...initialState,
  sequence: 2,
  knownRow: { kind: 'present', generation: 1, desiredState: 'running' },
  runtime: { kind: 'running', generation: 1, runtimeId: 'a', since: 0, restart },
  recorded: { status: 'running', generation: 1 },
  hostId,
};
const stopped: InstanceState = {
  ...running,
  knownRow: { kind: 'present', generation: 2, desiredState: 'stopped' },
  runtime: { kind: 'none' },
  recorded: { status: 'stopped', generation: 2 },
};

/** As a build would do whose first step from this state is that one. */
const foreseen = (state: InstanceState, effect: Effect = decide(state)) => foresee({ state, effect }, 0)?.effect;

test('an instance that waits goes on waiting, whatever it waits for', () => {
  const reason = { code: 'agent_exited', message: 'ended' } as const;
  const restarting = { code: 'restarting', message: 'soon' } as const;
  const down: InstanceState = { ...running, runtime: { kind: 'unknown' } };
  for (const state of [
    initialState,
    running,
    stopped,
    {
      ...down,
      obstacle: { kind: 'restarting', generation: 1, reason: restarting, dueAt: 1 },
      recorded: { status: 'pending', generation: 1, reason: restarting },
    },
    {
      ...stopped,
      knownRow: running.knownRow,
      obstacle: { kind: 'failed', generation: 1, reason },
      recorded: { status: 'failed', generation: 1, reason },
    },
  ] as InstanceState[])
    expect(foreseen(state)).toBeUndefined();
});

test('a build that sees another generation, or starts agents anew, restarts the instance, after whatever steps', () => {
  const outdated: InstanceState = { ...running, knownRow: { kind: 'present', generation: 2, desiredState: 'running' } };
  expect(foreseen(outdated)).toBe('restart');
  expect(foreseen(running, { type: 'place', generation: 1 })).toBe('restart');
  expect(foreseen({ ...running, doubt: 'heard' }, { type: 'provision', generation: 1, resume: true, hostId })).toBe(
    'restart',
  );
});

test('a build that starts what is stopped, or stops what runs, is told apart from one that restarts', () => {
  expect(foreseen({ ...stopped, knownRow: { kind: 'present', generation: 3, desiredState: 'running' } })).toBe('start');
  expect(foreseen({ ...running, knownRow: stopped.knownRow })).toBe('stop');
  expect(foreseen({ ...running, knownRow: { kind: 'gone', finalStatusRecorded: false } })).toBe('stop');
});

test('a build that only says something else of the instance records it, and one that has nothing left to do ends the workflow', () => {
  expect(foreseen({ ...running, recorded: { status: 'pending', generation: 1 } })).toBe('record');
  expect(foreseen({ ...stopped, knownRow: { kind: 'gone', finalStatusRecorded: true } })).toBe('end');
});
