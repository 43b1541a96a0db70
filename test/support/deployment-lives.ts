import { changeDeployment, DeploymentRefused, type DeploymentAction } from '../../database/deployments/request.ts';
import { recordDeployment } from '../../database/deployments/steps.ts';
import { readFacts } from '../../activities/deployments/read-facts.ts';
import type { DeploymentServer, ServerRouting } from '../../activities/deployments/dependencies.ts';
import { decide, type DeploymentEffect, type DeploymentTarget } from '../../workflows/deployments/decide.ts';
import type { DeploymentFacts } from '../../workflows/deployments/facts.ts';
import { readMemory, rememberStage, type Memory } from '../../workflows/deployments/memory.ts';
import type { DeploymentRows } from './deployment-rows.ts';

/** Something that happens to a deployment. */
export type Happening =
  | { kind: 'steps'; count: number }
  | { kind: 'person'; action: DeploymentAction }
  | { kind: 'workers'; of: 'candidate' | 'previous'; run: boolean }
  /** How the next check, observation or healing ends. */
  | { kind: 'failure' }
  | { kind: 'stranger'; does: 'manages' | 'unsets the ramp' | 'makes the previous build current' }
  /** The workflow is started anew, and remembers nothing. */
  | { kind: 'terminated' };

const identity = 'deployer';

/** A deployment of which the row is real, the decisions are those of the code, and Temporal's routing is a variable. */
export function openDeploymentLife(rows: DeploymentRows, id: string) {
  const { pool, deploymentName, builds } = rows;
  const routing: Omit<ServerRouting, 'builds'> = {
    currentBuildId: builds.previous,
    rampingBuildId: null,
    percentage: 0,
    manager: '',
    lastModifier: '',
  };
  const without = new Set<string>();
  let memory: Memory | undefined;
  let fails = false;

  const server = {
    identity,
    readRouting: async () => ({ ...routing, builds: [{ buildId: builds.previous, isDrained: true }] }),
    findMissing: async (buildId: string | null) =>
      without.has(buildId ?? '') ? [{ name: 'main', type: 'workflow' }] : [],
  } satisfies Partial<DeploymentServer> as unknown as DeploymentServer;

  const route = (to: DeploymentTarget, { percentage }: DeploymentFacts): void => {
    const before = JSON.stringify(routing);
    if (to === 'ramp') Object.assign(routing, { rampingBuildId: builds.candidate, percentage });
    else {
      if (to === 'candidate' || routing.currentBuildId === builds.candidate) {
        routing.currentBuildId = to === 'candidate' ? builds.candidate : builds.previous;
      }
      if (routing.rampingBuildId === builds.candidate) Object.assign(routing, { rampingBuildId: null, percentage: 0 });
    }
    routing.lastModifier = identity;
    if (JSON.stringify(routing) === before) throw new Error(`The routing was set again, to ${before}.`);
  };
  const outcome = (): Partial<Memory> => {
    if (!fails) return {};
    fails = false;
    return { failure: { code: 'task_failures', message: 'Two runs do not answer.' } };
  };

  const take = async (effect: DeploymentEffect, facts: DeploymentFacts): Promise<Partial<Memory>> => {
    switch (effect.type) {
      case 'watch':
        return {};
      case 'record': {
        const { type: _, ...change } = effect;
        await recordDeployment(pool, id, change);
        return effect.status === 'rolling_back' && effect.reason ? { rollbackReason: effect.reason } : {};
      }
      case 'takeOver':
        Object.assign(routing, { manager: identity, lastModifier: identity });
        return {};
      case 'check': {
        const { failure } = outcome();
        const percentage = facts.limits.steps[effect.step - 1] ?? 100;
        return failure ? { failure } : { checked: { step: effect.step, percentage, at: new Date().toISOString() } };
      }
      case 'route':
        route(effect.to, facts);
        return {};
      case 'observe': {
        const { failure } = outcome();
        return failure ? { failure } : { baked: facts.step };
      }
      case 'heal': {
        const { failure } = outcome();
        return failure ? { failure: { ...failure, code: 'heal_failed' } } : { isHealed: true };
      }
      case 'retire':
        return { isRetired: true };
    }
  };

  const life = {
    routing,
    /** @returns what the deployment waits for; undefined if it has ended */
    step: async (): Promise<{ effect: DeploymentEffect; facts: DeploymentFacts } | undefined> => {
      const reading = await readFacts({ pool, serverOf: () => server }, deploymentName);
      if (reading?.row.id !== id) return undefined;
      const { facts } = reading;
      memory = rememberStage(memory, facts);
      const effect = decide(facts, readMemory(memory));
      memory = { ...memory, ...(await take(effect, facts)) };
      return { effect, facts };
    },
    hasEnded: async (): Promise<boolean> => {
      const reading = await readFacts({ pool, serverOf: () => server }, deploymentName);
      return reading?.row.id !== id;
    },
    /** @returns false if the request is refused with a reason */
    ask: async (action: DeploymentAction): Promise<boolean> => {
      try {
        return await changeDeployment(pool, id, action);
      } catch (error) {
        if (error instanceof DeploymentRefused) return false;
        throw error;
      }
    },
    happen: async (happening: Happening): Promise<void> => {
      switch (happening.kind) {
        case 'steps':
          for (let count = 0; count < happening.count; count += 1) await life.step();
          return;
        case 'person':
          await life.ask(happening.action);
          return;
        case 'workers':
          await life.let(happening.of, happening.run);
          return;
        case 'failure':
          fails = true;
          return;
        case 'stranger':
          // What happens to the routing before and after the deployment is nobody's but the stranger's.
          if (routing.manager === '' || (await life.hasEnded())) return;
          Object.assign(routing, { manager: 'stranger', lastModifier: 'stranger' });
          if (happening.does === 'manages') return;
          Object.assign(routing, { rampingBuildId: null, percentage: 0 });
          if (happening.does !== 'unsets the ramp') routing.currentBuildId = builds.previous;
          return;
        case 'terminated':
          memory = undefined;
      }
    },
    let: async (of: 'candidate' | 'previous', run: boolean): Promise<void> => {
      without[run ? 'delete' : 'add'](builds[of]);
      await rows.announce(builds[of], run ? 3_600 : 0);
    },
    /** Nothing happens any more but what a person does who wants the deployment to end. It ends. */
    calm: async (): Promise<void> => {
      fails = false;
      await life.let('candidate', true);
      await life.let('previous', true);
      for (let count = 0; count < 60; count += 1) {
        const waiting = await life.step();
        if (!waiting) return;
        const { effect, facts } = waiting;
        if (effect.type !== 'watch' && effect.type !== 'observe') continue;
        if (facts.status === 'promoted' && effect.type === 'observe') await life.ask('rollback');
        if (facts.status !== 'paused') continue;
        if (facts.reason?.code === 'awaiting_promotion') await life.ask('promote');
        else if (facts.desiredState === 'paused') await life.ask('resume');
      }
      const { rows: left } = await pool.query('select * from deployments where id = $1', [id]);
      throw new Error(`The deployment does not end: ${JSON.stringify({ left, routing, memory })}`);
    },
  };
  return life;
}
