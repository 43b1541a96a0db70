import { spawn } from 'node:child_process';
import { dirname, delimiter } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';
import { afterAll, describe, expect, inject, test, vi } from 'vitest';
import { choosePorts } from '../../stack/ports.ts';
import { startInstances } from './command-line.ts';
import { findNode } from './node-versions.ts';
import { fewerRuns } from './property-runs.ts';
import { useRig } from './rig.ts';
import { signToken, tokenSettings } from './tokens.ts';
import { startWorkerProcess, type WorkerProcess } from './worker-process.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** Tests on that major version of Node.js; skipped where it could not be installed, which `npm test` says. */
export function testOnNode(version: number): void {
  const node = findNode(version);
  describe.skipIf(node === undefined)(`Node.js ${version}`, () => {
    if (node === undefined) return;

    test(`the unit and contract tests pass`, { timeout: 600_000 }, async () => {
      const { code, output } = await runTests(node);
      expect(code === 0 ? '' : output).toBe('');
      expect(output).toMatch(/Tests +\d+ passed/);
    });

    describe('each service', () => {
      const rig = useRig();
      const processes: WorkerProcess[] = [];
      afterAll(() => Promise.all(processes.map(({ kill }) => kill('SIGKILL'))));

      test('starts, does its work on real servers, and ends when told to', { timeout: 300_000 }, async () => {
        const ports = await choosePorts('free');
        const services = [
          ['event-broker', 'event_broker', ports.postgres],
          ['agents-worker', 'agents_worker', ports.amqp],
          ['user-backend', 'user_backend', ports.management],
          ['admin-backend', 'admin_backend', ports.temporal],
        ] as const;
        for (const [entry, service, healthPort] of services) {
          const environment = {
            ...rig.environmentOf(service),
            ...tokenSettings,
            [`${service.toUpperCase()}_HEALTH_PORT`]: String(healthPort),
            USER_BACKEND_PORT: String(ports.userBackend),
            ADMIN_BACKEND_PORT: String(ports.adminBackend),
          };
          processes.push(startWorkerProcess(entry, environment, [], { node, programs: null }));
        }
        for (const [index, [, service, healthPort]] of services.entries()) {
          await vi.waitFor(
            async () => {
              const answer = await fetch(`http://127.0.0.1:${healthPort}/ready`).catch(() => undefined);
              expect(answer?.status === 200 ? '' : `${service}: ${processes[index]?.output()}`).toBe('');
            },
            { timeout: 120_000, interval: 200 },
          );
        }

        const id = await rig.insertInstance(await rig.publishAgent());
        await vi.waitFor(async () => expect(await rig.processes(id)).toHaveLength(1), { timeout: 60_000 });
        const token = await signToken({ userId: id, roles: ['admin'] });
        for (const port of [ports.userBackend, ports.adminBackend]) {
          // Each backend hears of the agent by itself.
          await vi.waitFor(async () => {
            const answer = await fetch(`http://127.0.0.1:${port}/v1/agents`, {
              headers: { authorization: `Bearer ${token}` },
            });
            expect(await answer.json()).toMatchObject({ agents: [{ name: 'test' }] });
          });
        }
        const explain = startInstances(['explain', id], rig.environment, { node });
        expect({ code: await explain.exit, errors: explain.errors() }).toEqual({ code: 0, errors: '' });
        expect(explain.out()).toContain(id);

        expect(await Promise.all(processes.map(({ kill }) => kill('SIGTERM')))).toEqual([0, 0, 0, 0]);
      });
    });
  });
}

/** What works a long time on PostgreSQL for one question to it: what it answers has nothing to do with Node.js. */
const workOfPostgres = ['test/contract/database/long-numbers.test.ts'];

/** Vitest itself runs on that Node.js, as do the processes that its tests start. */
async function runTests(node: string): Promise<{ code: number | null; output: string }> {
  const { HOME = '', PATH = '' } = process.env;
  const vitest = ['node_modules/vitest/vitest.mjs', 'run', '--project=unit', '--project=contract', '--maxWorkers=1'];
  const excluded = workOfPostgres.map((file) => `--exclude=${file}`);
  const child = spawn(node, [...vitest, ...excluded], {
    cwd: root,
    env: {
      HOME,
      PATH: [dirname(node), PATH].join(delimiter),
      DATABASE_URL: inject('servers').databaseUrl,
      [fewerRuns]: '1',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, output: stripVTControlCharacters(output) }));
  });
}
