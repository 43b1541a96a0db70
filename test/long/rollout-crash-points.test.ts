import { describe, test } from 'vitest';
import { openRig } from '../support/rig.ts';
import { openStatementGate } from '../support/statement-gate.ts';
import { startWorkerProcess, type WorkerProcess } from '../support/worker-process.ts';
import type { Moment } from '../support/grpc-gate.ts';
import { openCrashTrial } from './rollouts/crash-trial.ts';

interface Step {
  version: 'good' | 'bad';
  step: string;
  /** The function of the database that takes the step, and which of its calls does. */
  call: string;
  nth: number;
  moment: Moment;
}

const good = { version: 'good' } as const;
const bad = { version: 'bad' } as const;

const steps: Step[] = [
  { ...good, step: 'before the canary is moved', call: 'move_wave', nth: 1, moment: 'before' },
  { ...good, step: 'after the canary is moved', call: 'move_wave', nth: 1, moment: 'after' },
  { ...good, step: 'after the canary is judged', call: 'judge_wave', nth: 5, moment: 'after' },
  { ...good, step: 'before a wave is moved', call: 'move_wave', nth: 2, moment: 'before' },
  { ...good, step: 'after a wave is moved', call: 'move_wave', nth: 2, moment: 'after' },
  { ...good, step: 'before the version is the stable one', call: 'complete_rollout', nth: 1, moment: 'before' },
  { ...good, step: 'after the version is the stable one', call: 'complete_rollout', nth: 1, moment: 'after' },
  { ...bad, step: 'before the rollback begins', call: 'begin_rollback', nth: 1, moment: 'before' },
  { ...bad, step: 'after the rollback has begun', call: 'begin_rollback', nth: 1, moment: 'after' },
  { ...bad, step: 'before the instances go back', call: 'revert_wave', nth: 1, moment: 'before' },
  { ...bad, step: 'after the instances went back', call: 'revert_wave', nth: 1, moment: 'after' },
  { ...bad, step: 'before the end is recorded', call: 'record_rollout', nth: 1, moment: 'before' },
  { ...bad, step: 'after the end is recorded', call: 'record_rollout', nth: 1, moment: 'after' },
];

describe.concurrent('agents_worker that is killed', () => {
  test.for(steps)(
    '$step of a $version version leaves the rollout where it was: no instance is moved twice, none is forgotten',
    { timeout: 420_000 },
    // The hooks are the test's own, as the global ones do not know which of the concurrent tests calls them.
    async ({ version, call, nth, moment }, { expect, onTestFailed, onTestFinished }) => {
      const rig = await openRig({ settings: { LOG_LEVEL: 'warn' } });
      const workers: WorkerProcess[] = [];
      const own = rig.environmentOf('agents_worker');
      const gate = await openStatementGate(new URL(own['DATABASE_URL'] ?? '').host);
      onTestFinished(async () => {
        await Promise.all(workers.map((worker) => worker.kill('SIGTERM')));
        await gate.close();
        await rig.close();
      }, 60_000);
      onTestFailed(() => void process.stderr.write(workers.map((worker) => worker.output()).join('\n')));
      const start = (): void => {
        const DATABASE_URL = Object.assign(new URL(own['DATABASE_URL'] ?? ''), { host: gate.address }).href;
        workers.push(startWorkerProcess('agents-worker', { ...own, DATABASE_URL }));
      };
      start();
      await rig.startServices(['event_broker']);
      const trial = await openCrashTrial(rig);

      const killed = new Promise<void>((resolve) => {
        const arm = (left: number): void =>
          gate.once(call, moment, () => {
            if (left > 1) {
              arm(left - 1);
              return false;
            }
            void workers[0]?.kill('SIGKILL').then(() => resolve());
            return true;
          });
        arm(nth);
      });
      const id = await trial.request(version);
      await killed;
      expect(await workers[0]?.exit).toBe('SIGKILL');
      start();
      await (version === 'good' ? trial.expectCompleted(id) : trial.expectRolledBack(id));
    },
  );
});
