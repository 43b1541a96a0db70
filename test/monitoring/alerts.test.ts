import { expect, inject, test } from 'vitest';
import { runCommand } from '../../stack/command.ts';
import { monitoringFolder } from '../support/monitoring/files.ts';

const programs = inject('monitoring');
const promtool = (...args: string[]): Promise<string> =>
  runCommand(programs?.promtool ?? '', args, { cwd: monitoringFolder });

test.skipIf(!programs)('promtool finds the alerts to be valid', async () => {
  expect(await promtool('check', 'rules', '--lint=all', '--lint-fatal', 'alerts.yml')).toContain('SUCCESS');
});

test.skipIf(!programs)(
  'alerts fire where their tests say so, and nowhere else',
  async () => {
    expect(await promtool('test', 'rules', 'alerts.test.yml')).toContain('SUCCESS');
    // promtool evaluates hundreds of intervals, in three seconds of processor time.
  },
  300_000,
);

test.skipIf(!programs)('promtool finds the example of a configuration to be valid', async () => {
  expect(await promtool('check', 'config', 'prometheus.yml')).toContain('SUCCESS');
});
