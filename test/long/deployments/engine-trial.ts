import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, inject, vi } from 'vitest';
import { instanceWorkflowId } from '../../../contracts/names.ts';
import { listProcesses } from '../../../runtimes/process/process-table.ts';
import { buildsOfTasks, settingsOf, untilPolled } from '../../support/deployments.ts';
import { instanceMessageSignal } from '../../../workflows/messages.ts';
import { createRequestedDeployments } from '../../support/requested-deployments.ts';
import { openRig, type RigOptions } from '../../support/rig.ts';
import { startWorkerProcess, type WorkerProcess } from '../../support/worker-process.ts';

export type EngineTrial = Awaited<ReturnType<typeof openEngineTrial>>;

export interface EngineTrialOptions extends Pick<RigOptions, 'servers' | 'replays'> {
  instances: number;
  /** How long the engine may take for something that concerns all instances. */
  timeoutMs?: number;
}

/** Each start of an agent leaves a line: its instance, and the config that it was started with. */
const agent = [
  'sh',
  '-c',
  'echo "$INSTANCE_ID $(tr -d " \\n" < "$INSTANCE_CONFIG_FILE")" >> "$STARTS"; exec sleep 100000',
];

/** An engine whose build v1 is current, a deployer, and instances with real agents. */
export async function openEngineTrial({ instances, timeoutMs = 180_000, ...options }: EngineTrialOptions) {
  const folder = await mkdtemp(join(tmpdir(), 'trial-'));
  const startsFile = join(folder, 'starts');
  const rig = await openRig(options);
  const { pool } = rig;
  const deploymentName = rig.environment.TASK_QUEUE;
  const processes: WorkerProcess[] = [];
  const stopUsers: (() => Promise<void>)[] = [];
  let rounds = 0;

  const trial = {
    ...createRequestedDeployments({ pool, deploymentName, strategy: quick, limitMs: timeoutMs }),
    rig,
    folder,
    /** A build in the process of the test. */
    startBuild: async (buildId: string, settings: Record<string, string> = {}) => {
      const build = { deploymentName, buildId };
      const worker = await rig.startAgentsWorker({ ...settingsOf(build), ...settings });
      await worker.ready();
      await untilPolled(rig.client, build, deploymentName);
      return worker;
    },
    /** A build in a process of its own, which may crash. */
    startProcess: (buildId: string, { settings = {}, programs = inject('workerPrograms') }: ProcessOptions = {}) => {
      const started = startWorkerProcess(
        'agents-worker',
        { ...rig.environmentOf('agents_worker'), ...settingsOf({ deploymentName, buildId }), ...settings },
        [],
        { programs },
      );
      processes.push(started);
      return started;
    },
    untilPolled: (buildId: string) => untilPolled(rig.client, { deploymentName, buildId }, deploymentName),
    ids: async (): Promise<string[]> => {
      const { rows } = await pool.query<{ id: string }>('select id from instances order by created_at, id');
      return rows.map(({ id }) => id);
    },
    create: async (count: number): Promise<void> => {
      await pool.query(
        `insert into instances (agent_id, user_id, config)
         select $1, gen_random_uuid(), jsonb_build_object('round', 0) from generate_series(1, $2::int)`,
        [agentId, count],
      );
    },
    /** A user wants another config, so that the agent is started again. */
    configure: (id: string) => {
      rounds += 1;
      return pool.query(`update instances set config = jsonb_build_object('round', $2::int) where id = $1`, [
        id,
        rounds,
      ]);
    },
    /** Gives the workflow of each instance tasks, which leave the agent alone. */
    touch: async (ids: readonly string[]): Promise<void> => {
      for (const id of ids) await rig.workflow(id).signal(instanceMessageSignal, { type: 'checkRequested' });
    },
    /** Users who change one instance after the other, and create some. They stop when `stop` is called. */
    startUsers: ({ pauseMs, creations }: { pauseMs: number; creations: number }) => {
      const stopping = new AbortController();
      const work = (async () => {
        for (let turn = 0; !stopping.signal.aborted; turn += 1) {
          const ids = await trial.ids();
          if (turn % 5 === 4 && turn < creations * 5) await trial.create(1);
          await trial.configure(ids[turn % ids.length] ?? '');
          await delay(pauseMs, undefined, { signal: stopping.signal }).catch(() => undefined);
        }
      })();
      const stop = async (): Promise<void> => {
        stopping.abort();
        await work;
      };
      stopUsers.push(stop);
      return { stop };
    },
    /** Resolves once every instance runs what its row wants. */
    untilSettled: () =>
      vi.waitFor(
        async () => {
          const { rows } = await pool.query(
            `select id, status, generation, observed_generation, metadata -> 'status_reason' as reason from instances
             where status <> 'running' or observed_generation <> generation limit 3`,
          );
          expect(rows).toEqual([]);
        },
        { timeout: timeoutMs, interval: 100 },
      ),
    /** Waits until each instance's last completed workflow task is one of the build. */
    untilLastOn: async (ids: readonly string[], buildId: string): Promise<void> => {
      for (const id of ids) {
        await vi.waitUntil(async () => (await buildsOfTasks(rig.client, instanceWorkflowId(id))).at(-1) === buildId, {
          timeout: timeoutMs,
          interval: 100,
        });
      }
    },
    /** Every start of an agent so far, as its instance and its config. */
    starts: async (): Promise<string[]> => (await readFile(startsFile, 'utf8')).trim().split('\n'),
    /** No instance is lost, no agent was started again without a user's wish, and each one runs what its user wants. */
    expectUnharmed: async (): Promise<void> => {
      await trial.untilSettled();
      const { rows } = await pool.query<{ id: string; config: object }>('select id, config from instances');
      // An agent runs a moment before it writes down that it started.
      const starts = await vi.waitFor(async () => {
        const found = await trial.starts();
        const last = new Map(found.map((start) => start.split(' ') as [string, string]));
        expect(last).toEqual(new Map(rows.map(({ id, config }) => [id, JSON.stringify(config)])));
        return found;
      });
      expect(starts.filter((start, index) => starts.indexOf(start) !== index)).toEqual([]);
      const agents = (await listProcesses()).filter(({ pid, group }) => pid === group);
      for (const { id } of rows) {
        expect(agents.filter(({ instanceName }) => instanceName === `instance-${id}`)).toHaveLength(1);
        expect((await rig.workflow(id).describe()).status.name).toBe('RUNNING');
      }
      expect(rig.fatal).toEqual([]);
    },
    close: async (): Promise<void> => {
      try {
        await Promise.all(stopUsers.map((stop) => stop()));
        await Promise.all(processes.map((started) => started.kill('SIGKILL')));
      } finally {
        await rig.close();
        await rm(folder, { recursive: true, force: true });
      }
    },
  };

  await rig.startServices(['event_broker', 'deployer']);
  const agentId = await rig.publishAgent({ command: agent, environment: { STARTS: startsFile } });
  const v1 = await trial.startBuild('v1');
  const first = await trial.request('v1', { steps: [100], bake_seconds: 10, rollback_window_seconds: 0 });
  await trial.until(first, 'drained');
  await trial.create(instances);
  await trial.untilSettled();
  return { ...trial, v1 };
}

interface ProcessOptions {
  settings?: Record<string, string>;
  programs?: string;
}

const quick = {
  probe_per_second: 100,
  pollers_deadline_seconds: 60,
  progress_deadline_seconds: 120,
};
