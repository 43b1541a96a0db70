import { expect, test } from 'vitest';
import { toTable } from '../../cli/instance-table.ts';
import type { InstanceView } from '../../database/instances/view.ts';

const at = new Date('2026-01-01T12:00:00.123Z');
const instance: InstanceView = {
  id: '11111111-1111-4111-8111-111111111111',
  status: 'running',
  desired_state: 'running',
  generation: 2,
  observed_generation: 1,
  sequence: 2,
  agent_id: '22222222-2222-4222-8222-222222222222',
  agent_name: 'an agent whose name is long',
  agent_version: '1.0.0',
  stable_version: '1.0.0',
  running_version: '1.0.0',
  version_policy: 'follow',
  outdated: false,
  agent_retired: false,
  agent_runtime: 'process',
  user_id: '33333333-3333-4333-8333-333333333333',
  host_id: null,
  reason: { code: 'provisioning_failed', message: 'no disk' },
  created_at: at,
  updated_at: at,
};
const other: InstanceView = { ...instance, id: '44444444-4444-4444-8444-444444444444', agent_name: null, status: 'failed', reason: null }; // prettier-ignore

const tableOf = (width?: number, instances = [instance, other]) =>
  toTable(instances, { formatTime: (time) => time.toISOString(), width, now: new Date('2026-01-01T12:03:00Z') });

test('a file or a pipe gets every column in full', () => {
  expect(tableOf()).toEqual([
    'ID                                    STATUS   WANTED   GENERATION  AGENT                                 USER                                  UPDATED                   REASON',
    '11111111-1111-4111-8111-111111111111  running  running  1 → 2       an agent whose name is long 1.0.0     33333333-3333-4333-8333-333333333333  2026-01-01T12:00:00.123Z  provisioning_failed',
    '44444444-4444-4444-8444-444444444444  failed   running  1 → 2       22222222-2222-4222-8222-222222222222  33333333-3333-4333-8333-333333333333  2026-01-01T12:00:00.123Z',
  ]);
});

test('a terminal of 120 columns gets shorter ids', () => {
  const lines = tableOf(120);
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(120);
  expect(lines[1]).toBe(
    '11111111  running  running  1 → 2       an agent whose name i…  33333333  2026-01-01T12:00:00.123Z  provisioning_failed',
  );
});

test('a terminal of 80 columns gets what tells how each one stands', () => {
  expect(tableOf(80)).toEqual([
    'ID        STATUS   WANTED   AGENT                UPDATED    REASON',
    '11111111  running  running  an agent whose nam…  3 min ago  provisioning_failed',
    '44444444  failed   running  22222222-2222-4222…  3 min ago',
  ]);
});

test('an instance whose version before still runs shows both', () => {
  const switching = { ...instance, running_version: '0.9.0' };
  expect(tableOf(undefined, [switching])[1]).toContain('  an agent whose name is long 0.9.0 → 1.0.0  ');
  const starting = { ...instance, running_version: null };
  expect(tableOf(undefined, [starting])[1]).toContain('  an agent whose name is long 1.0.0  ');
});

test('ids that begin alike are shown as long as it takes to tell them apart', () => {
  const twin = { ...instance, id: '11111111-1111-4222-8111-111111111111' };
  expect(tableOf(80, [instance, twin]).map((line) => line.split('  ')[0])).toEqual([
    'ID                ',
    '11111111-1111-4111',
    '11111111-1111-4222',
  ].map((text) => text.trim())); // prettier-ignore
});
