import { readdir, readFile } from 'node:fs/promises';
import { expect, test, vi } from 'vitest';
import { useRig } from '../support/rig.ts';
import { startWorkerProcess } from '../support/worker-process.ts';

const rig = useRig();

const environmentOf = (pid: number): Promise<string> => readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '');

async function childrenOf(parent: number): Promise<number[]> {
  const pids = (await readdir('/proc')).map(Number).filter(Number.isInteger);
  const parents = await Promise.all(
    pids.map(async (pid) => /^PPid:\s+(\d+)/m.exec(await readFile(`/proc/${pid}/status`, 'utf8').catch(() => ''))?.[1]),
  );
  return pids.filter((_, index) => Number(parents[index]) === parent);
}

test.skipIf(process.platform !== 'linux')(
  'an agent that runs as agents_worker finds no secret in the environment of what started it, of the worker or of what that started',
  async () => {
    const secret = 'canary-secret-of-the-tokens-0123456789';
    const environment = {
      ...rig.environment,
      CONTROL_AMQP_URL: rig.environmentOf('agents_worker')['CONTROL_AMQP_URL'] ?? '',
      JWT_SECRET: secret,
      // So that tsx starts its compiler, a child with the same environment: the process compiles itself, as in production.
      TSX_DISABLE_CACHE: '1',
    };
    const worker = startWorkerProcess('all', environment, [], { programs: null });
    try {
      // It compiles everything first, which takes long on a busy machine.
      await vi.waitUntil(() => worker.output().includes('temporal_worker is ready'), 120_000);
      const print = "tr '\\0' '\\n' < /proc";
      // Its parent is the launcher, whose parent is the worker.
      const grandparent = `$(sed -n 's/^PPid:[^0-9]*//p' /proc/$PPID/status)`;
      const command = ['sh', '-c', `${print}/$PPID/environ; ${print}/${grandparent}/environ; exec sleep 100000`];
      const id = await rig.insertInstance(await rig.publishAgent({ command }));
      await rig.bus.until(id, 'instance.updated', 'running');
      const log = `${rig.environment.RUNTIME_DIRECTORY}/instance-${id}/agent.log`;
      const found = await vi.waitUntil(async () => {
        const text = await readFile(log, 'utf8');
        return text.includes('RUNTIME_DIRECTORY=') && text;
      });
      const pid = worker.child.pid ?? 0;
      const children = await Promise.all((await childrenOf(pid)).map(environmentOf));
      const seen = [found, await environmentOf(pid), ...children].join('\n');
      expect(seen).toContain(`TASK_QUEUE=${rig.environment.TASK_QUEUE}`);
      for (const part of [secret, environment.DATABASE_URL, environment.AMQP_URL, environment.CONTROL_AMQP_URL]) {
        expect(seen).not.toContain(part);
      }
      expect(worker.output()).toMatch(/run as the user of agents_worker.*Set AGENT_UIDS.*DATABASE_URL_FILE/);
    } finally {
      await worker.kill('SIGTERM');
    }
  },
  240_000,
);
