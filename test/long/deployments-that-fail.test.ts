import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test, type TestContext } from 'vitest';
import { bundleChangedWorkflows } from '../replay/changed-workflows.ts';
import { compileChangedWorker, type SourceChange } from '../support/changed-program.ts';
import type { RigOptions } from '../support/rig.ts';
import type { WorkerProcess } from '../support/worker-process.ts';
import { openEngineTrial, type EngineTrial } from './deployments/engine-trial.ts';
import { breakingChange } from '../support/breaking-change.ts';

const limitMs = 400_000;
/** Milliseconds since 1970 follow. */
const mark = 'the candidate fails at ';
const fails = `process.stdout.write('${mark}' + Date.now() + '\\n');`;
/** Which comes first depends on how busy the machine is. */
const found = /^(task_failures|instance_failures|candidate_lost)$/;
const ramp = { steps: [10, 100], bake_seconds: 60 };

const provision = (code: string): SourceChange => ({
  file: 'activities/host-steps.ts',
  from: 'const since = bootSeconds();',
  to: `${fails} ${code}\n      const since = bootSeconds();`,
});

/** An engine of the test's own, because the tests mostly wait, and do so at the same time. */
async function open({ onTestFinished }: TestContext, options: Pick<RigOptions, 'replays'> = {}): Promise<EngineTrial> {
  const trial = await openEngineTrial({ instances: 6, ...options });
  onTestFinished(trial.close, limitMs);
  return trial;
}

async function compile(change: SourceChange, { onTestFinished }: TestContext): Promise<string> {
  const { programs, remove } = await compileChangedWorker(change);
  onTestFinished(remove);
  return programs;
}

const markedTimes = (output: string): number[] =>
  output.split('\n').flatMap((line) => (line.startsWith(mark) ? [Number(line.slice(mark.length))] : []));

/**
 * Ramps a candidate while users work, until it is rolled back and every instance runs what its user wants.
 *
 * @param firstFailure the time of the first failure, in ms since 1970, once it is over
 * @returns the code of the reason
 */
async function rampAndHeal(
  trial: EngineTrial,
  { name, firstFailure, strategy = {}, onRequest }: Failure,
): Promise<string | undefined> {
  const { request, until, startUsers, untilSettled, expectUnharmed, rig } = trial;
  const users = startUsers({ pauseMs: 300, creations: 4 });
  const id = await request('v2', { ...ramp, ...strategy });
  await onRequest?.(id);
  await until(id, ['rolling_back', 'rolled_back', 'refused', 'promoted', 'paused']);
  const foundAt = Date.now();
  // What failed is not to be healed by its users.
  await users.stop();
  const { reason, status } = await until(id, ['rolled_back', 'refused', 'promoted', 'paused']);
  await untilSettled();
  const healedAt = Date.now();
  const failedAt = firstFailure(await rampedAt(trial, id));
  const since = (time: number) => ((time - failedAt) / 1_000).toFixed(1);
  process.stdout.write(
    `${name}: ${status}, found ${since(foundAt)} s after the first failure and healed after ${since(healedAt)} s: ${JSON.stringify(reason)}\n`,
  );
  await expectUnharmed();
  const { rows } = await rig.pool.query(
    'select finding, instance_id from deployment_instances where deployment_id = $1 and healed_at is null and finding <> $2',
    [id, 'reset'],
  );
  expect(rows).toEqual([]);
  return (await trial.read(id)).status === 'rolled_back' ? reason?.code : reason?.message;
}

interface Failure {
  name: string;
  firstFailure: (rampedAt: number) => number;
  strategy?: object;
  onRequest?: (id: string) => Promise<unknown>;
}

/** When the deployment began to ramp. Nothing fails before. */
async function rampedAt({ rig }: EngineTrial, id: string): Promise<number> {
  await rig.untilBusIsQuiet();
  const ramping = rig.bus.of(id).find(({ body }) => body['status'] === 'ramping');
  return Date.parse(String(ramping?.body['updated_at']));
}

const firstMark = (candidate: WorkerProcess) => () => markedTimes(candidate.output())[0] ?? Number.NaN;

// One at a time: each keeps an engine and its users at work.
describe('while users work, a candidate that gets a tenth of the instances is rolled back, and every instance is healed, if', () => {
  test(
    'it cannot replay their histories',
    async (context) => {
      // Instances that began on the candidate have runs that only the candidate replays.
      const trial = await open(context, { replays: false });
      const file = join(trial.folder, 'breaks.js');
      await writeFile(file, (await bundleChangedWorkflows([breakingChange])).code);
      trial.startProcess('v2', { settings: { WORKFLOW_BUNDLE: file } });
      await trial.untilPolled('v2');
      const name = 'a candidate that breaks replay';
      expect(await rampAndHeal(trial, { name, strategy: { gate: 'off' }, firstFailure: (at) => at })).toBe(
        'task_failures',
      );
    },
    limitMs,
  );

  test.for([
    {
      what: 'its steps fail',
      code: 'throw new Error("This build cannot start agents.");',
    },
    {
      what: 'its steps fail for good',
      code: 'throw asFailure(new SpecRejected("This build takes no spec."));',
    },
  ])('$what', { timeout: limitMs }, async ({ what, code }, context) => {
    const programs = await compile(provision(code), context);
    const trial = await open(context);
    const candidate = trial.startProcess('v2', { programs });
    await trial.untilPolled('v2');
    expect(await rampAndHeal(trial, { name: what, firstFailure: firstMark(candidate) })).toMatch(found);
  });

  test(
    'it cannot write the status of an instance',
    async (context) => {
      const change = {
        file: 'activities/row-steps.ts',
        from: 'recordStatus: (input) => recordStatus(pool, input, observeStatus),',
        to: `recordStatus: async () => { ${fails} throw new Error('This build cannot write.'); },`,
      };
      const programs = await compile(change, context);
      const trial = await open(context);
      const candidate = trial.startProcess('v2', { programs });
      await trial.untilPolled('v2');
      expect(await rampAndHeal(trial, { name: 'it cannot write', firstFailure: firstMark(candidate) })).toMatch(found);
    },
    limitMs,
  );

  test(
    'its workers crash, however often they are started again',
    async (context) => {
      const programs = await compile(provision('process.exit(1);'), context);
      const trial = await open(context);
      let hasEnded = false;
      const outputs: string[] = [];
      const run = (async () => {
        while (!hasEnded) {
          const worker = trial.startProcess('v2', { programs });
          await worker.exit;
          outputs.push(worker.output());
        }
      })();
      context.onTestFinished(() => {
        hasEnded = true;
      });
      await trial.untilPolled('v2');
      const first = () => Math.min(...outputs.flatMap(markedTimes));
      expect(await rampAndHeal(trial, { name: 'its workers crash', firstFailure: first })).toMatch(found);
      void run;
    },
    limitMs,
  );

  test(
    'its only worker is killed as the ramp begins',
    async (context) => {
      const trial = await open(context);
      const candidate = trial.startProcess('v2');
      await trial.untilPolled('v2');
      let killedAt = Number.NaN;
      const onRequest = async (id: string) => {
        await trial.until(id, 'ramping');
        killedAt = Date.now();
        await candidate.kill('SIGKILL');
      };
      const failure = { name: 'killed as the ramp begins', firstFailure: () => killedAt, onRequest };
      expect(await rampAndHeal(trial, failure)).toMatch(found);
    },
    limitMs,
  );

  test(
    'its only worker is killed while it starts an agent',
    async (context) => {
      const programs = await compile(provision('await new Promise(() => undefined);'), context);
      const trial = await open(context);
      const candidate = trial.startProcess('v2', { programs });
      await trial.untilPolled('v2');
      let killedAt = Number.NaN;
      const onRequest = async () => {
        candidate.child.stdout?.on('data', () => {
          if (!Number.isNaN(killedAt) || markedTimes(candidate.output()).length === 0) return;
          killedAt = Date.now();
          candidate.child.kill('SIGKILL');
        });
      };
      const failure = { name: 'killed while it starts an agent', firstFailure: () => killedAt, onRequest };
      expect(await rampAndHeal(trial, failure)).toMatch(found);
    },
    limitMs,
  );
});
