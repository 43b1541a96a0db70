import { afterAll, afterEach, beforeEach, describe, expect, onTestFailed, test } from 'vitest';
import { useDeploymentBundle } from '../support/deployment-bundle.ts';
import { useDeploymentServer } from '../support/deployment-server.ts';
import { openGrpcGate, type GrpcGate, type Moment } from '../support/grpc-gate.ts';
import { openRoutedRig, replayDeployments, type RoutedRig } from '../support/routed-deployments.ts';
import { openStatementGate, type StatementGate } from '../support/statement-gate.ts';
import { startWorkerProcess, type WorkerProcess } from '../support/worker-process.ts';

interface Step {
  step: string;
  /** `SQL`: the function of the database; `Temporal`: the method of the server. */
  of: 'SQL' | 'Temporal';
  call: string;
  nth: number;
}

/** The calls by which a deployment gets on, in their order. */
const promotion: Step[] = [
  { step: 'waiting for workers is recorded', of: 'SQL', call: 'record_deployment(', nth: 1 },
  { step: 'the first gate is started', of: 'Temporal', call: 'StartWorkflowExecution', nth: 1 },
  { step: 'the gate is recorded', of: 'SQL', call: 'record_deployment(', nth: 3 },
  { step: 'the ramp is recorded', of: 'SQL', call: 'record_deployment(', nth: 4 },
  { step: 'the ramp is set', of: 'Temporal', call: 'SetWorkerDeploymentRampingVersion', nth: 1 },
  { step: 'an instance of the candidate is probed', of: 'Temporal', call: 'QueryWorkflow', nth: 3 },
  { step: 'the candidate is made current', of: 'Temporal', call: 'SetWorkerDeploymentCurrentVersion', nth: 1 },
  { step: 'the build before is deleted', of: 'Temporal', call: 'DeleteWorkerDeploymentVersion', nth: 1 },
];
const rollback: Step[] = [
  { step: 'the build before is made current', of: 'Temporal', call: 'SetWorkerDeploymentCurrentVersion', nth: 1 },
  { step: 'a run is reset', of: 'Temporal', call: 'ResetWorkflowExecution', nth: 2 },
  { step: 'what was reset is recorded', of: 'SQL', call: 'record_deployment_instances(', nth: 2 },
];
const moments: Moment[] = ['before', 'after'];
const both = (steps: readonly Step[]) => steps.flatMap((step) => moments.map((moment) => ({ ...step, moment })));

const environment = useDeploymentServer();
const bundle = useDeploymentBundle();
const limitMs = 300_000;

let opened: RoutedRig;
let ids: string[];
let statements: StatementGate;
let calls: GrpcGate;
const deployers: WorkerProcess[] = [];

beforeEach(async () => {
  opened = await openRoutedRig(environment, bundle.path);
  const own = opened.rig.environmentOf('deployer');
  statements = await openStatementGate(new URL(own['DATABASE_URL'] ?? '').host);
  calls = await openGrpcGate(own['TEMPORAL_ADDRESS'] ?? '');
  ids = await opened.begin(6);
  await opened.rig.startServices(['event_broker']);
}, limitMs);
afterEach(async () => {
  await Promise.all(deployers.splice(0).map((deployer) => deployer.kill('SIGTERM')));
  await Promise.all([statements.close(), calls.close()]);
  await opened.close();
}, limitMs);

afterAll(() => replayDeployments(environment, bundle.path), limitMs);

function startDeployer(): void {
  const own = opened.rig.environmentOf('deployer');
  const DATABASE_URL = Object.assign(new URL(own['DATABASE_URL'] ?? ''), { host: statements.address }).href;
  deployers.push(
    startWorkerProcess('deployer', { ...own, DATABASE_URL, TEMPORAL_ADDRESS: calls.address, LOG_LEVEL: 'warn' }),
  );
}

/** Resolves once the deployer was killed at that moment of the nth of these calls. */
function killAt({ of, call, nth, moment }: Step & { moment: Moment }): Promise<void> {
  const victim = deployers.at(-1);
  return new Promise((resolve) => {
    const arm = (left: number): void =>
      (of === 'SQL' ? statements : calls).once(call, moment, () => {
        if (left > 1) {
          arm(left - 1);
          return false;
        }
        void victim?.kill('SIGKILL').then(() => resolve());
        return true;
      });
    arm(nth);
  });
}

describe('a deployer that is killed', () => {
  test.each(both(promotion))(
    '$moment $step leaves the deployment to the next one, which promotes the candidate',
    async (step) => {
      onTestFailed(() => void process.stderr.write(deployers.map((deployer) => deployer.output()).join('\n')));
      const { request, startWorker, until, builds, findings, statuses } = opened;
      startDeployer();
      await startWorker('good', 'v2');
      await opened.untilPolled('v2');
      const killed = killAt(step);
      const id = await request('v2', { gate: 'on' });
      const stopBefore = () => until(id, 'promoted').then(() => builds.stopWorkers('v1'));
      // Only the deletion comes after the promotion, and waits until the workers have stopped.
      const isAfterPromotion = step.call === 'DeleteWorkerDeploymentVersion';
      if (isAfterPromotion) await stopBefore();
      await killed;
      startDeployer();
      if (!isAfterPromotion) await stopBefore();
      await until(id, 'drained');
      expect(await builds.deployments.readRouting()).toMatchObject({ currentBuildId: 'v2', rampingBuildId: null });
      await builds.step(ids);
      await builds.untilLastOn(ids, 'v2');
      expect(await findings(id, 'probe_failed')).toEqual([]);
      await opened.rig.untilBusIsQuiet();
      expect(statuses(id).filter((status) => status === 'deployment.promoted')).toHaveLength(1);
    },
    limitMs,
  );

  test.each(both(rollback))(
    '$moment $step leaves the rollback to the next one, which heals every run',
    async (step) => {
      onTestFailed(() => void process.stderr.write(deployers.map((deployer) => deployer.output()).join('\n')));
      const { request, startWorker, until, want, builds, statuses } = opened;
      startDeployer();
      await startWorker('patched', 'v2');
      const id = await request('v2', { gate: 'on', rollback_window_seconds: 3_600 });
      await until(id, 'promoted');
      await builds.step(ids);
      await builds.untilPatched(ids);
      const killed = killAt(step);
      await want(id, 'rolled_back');
      await killed;
      startDeployer();
      const { reset_instances: count } = await until(id, 'rolled_back', 'rollback_requested');
      expect(count).toBe(ids.length);
      await builds.step(ids);
      await builds.untilLastOn(ids, 'v1');
      await opened.rig.untilBusIsQuiet();
      expect(statuses(id).filter((status) => status === 'deployment.rolled_back')).toHaveLength(1);
    },
    limitMs,
  );
});
