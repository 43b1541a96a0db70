import { expect, test } from 'vitest';
import { handOn, takeOver } from '../../workflows/handed-on-state.ts';
import type { InstanceState } from '../../workflows/state.ts';
import { after, begun, provisioned, row, rowChanged } from '../support/instance-events.ts';

const state: InstanceState = after(rowChanged(1, 1), begun, provisioned(row(1, 1)));

test('a state is handed on under the names that earlier releases read', () => {
  expect(Object.keys(handOn(state)).toSorted()).toEqual([
    'cause',
    'earlyExits',
    'hostId',
    'publishedMeanwhile',
    'ranGeneration',
    'recorded',
    'restarts',
    'runtime',
    'sequence',
    'wanted',
  ]);
  expect(handOn(state).wanted).toEqual({ kind: 'present', generation: 1, desiredState: 'running' });
});

test('a state that was handed on is taken over whole, with fields that another release added', () => {
  const handedOn = { ...handOn(state), messages: 12 };
  expect(takeOver(handedOn)).toEqual({ ...state, messages: 12 });
});
