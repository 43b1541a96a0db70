import { expect, test } from 'vitest';
import { hostTaskQueue } from '../../contracts/names.ts';

test('the queue of a host keeps its name, because activities wait in it across releases', () => {
  expect(hostTaskQueue('instances', '6f1c')).toBe('instances/host/6f1c');
});
