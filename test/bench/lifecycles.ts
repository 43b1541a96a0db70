import { startContender, type Contender } from './contender.ts';
import { cpuTimeOf, hasCpuTimes } from './cpu.ts';
import { sharedEngine, type Engine } from './engine.ts';
import type { Bench } from './open-bench.ts';
import { runLifecycles, type LifecycleOptions, type Lifecycles } from './run-lifecycles.ts';

/** How many lifecycles are under way at once, and how many there are in a whole run. */
export const loads = [
  { inFlight: 20, count: 200 },
  { inFlight: 50, count: 400 },
  { inFlight: 200, count: 800 },
] as const;

export type Server = keyof Bench['pids'];

/** CPU time per lifecycle, in ms. */
export type CpuOfEngine = Record<Server | 'event_broker' | 'agents_worker' | 'agents', number>;
export type CpuOfFloor = Record<'client and worker' | 'Temporal', number>;

export interface Measured<Cpu> extends Lifecycles {
  perSecond: number;
  /** Undefined where the system does not tell. */
  cpu: Cpu | undefined;
}

/** Lifecycles of the engine and of bare Temporal on the same server, right after each other. */
export function lifecyclesAt(
  bench: Bench,
  inFlight: (typeof loads)[number]['inFlight'],
): Promise<{ engine: Measured<CpuOfEngine>; floor: Measured<CpuOfFloor> }> {
  return bench.once(`lifecycles at ${inFlight}`, async () => {
    const { count: whole } = loads.find((load) => load.inFlight === inFlight) ?? loads[0];
    const options = { inFlight, count: bench.scaled(whole, inFlight) };
    const [contender, engine] = [await sharedFloor(bench), await sharedEngine(bench)];
    const floor = await measureFloor(bench, contender, options);
    return { engine: await measureEngine(bench, engine, options), floor };
  });
}

/** One lifecycle after the other, on an idle system. */
export function lifecyclesOneByOne(bench: Bench): Promise<{ engine: Lifecycles; floor: Lifecycles }> {
  return bench.once('lifecycles one by one', async () => {
    const options = { inFlight: 1, count: bench.scaled(50, 10), restMs: 20 };
    const [contender, engine] = [await sharedFloor(bench), await sharedEngine(bench)];
    return { engine: await runLifecycles(engine, options), floor: await contender.run(options) };
  });
}

export async function measureEngine(
  bench: Bench,
  engine: Engine,
  options: LifecycleOptions,
): Promise<Measured<CpuOfEngine>> {
  const read = (): CpuOfEngine => {
    const worker = cpuTimeOf(engine.pids.agents_worker);
    return {
      PostgreSQL: wholeOf(bench.pids.PostgreSQL),
      RabbitMQ: wholeOf(bench.pids.RabbitMQ),
      Temporal: wholeOf(bench.pids.Temporal),
      event_broker: wholeOf(engine.pids.event_broker),
      agents_worker: worker.alive,
      // An agent is a child of the launcher, and was waited for when its lifecycle was over.
      agents: worker.ended,
    };
  };
  return measure(read, () => runLifecycles(engine, options));
}

async function measureFloor(
  { pids }: Bench,
  contender: Contender,
  options: LifecycleOptions,
): Promise<Measured<CpuOfFloor>> {
  const read = (): CpuOfFloor => ({
    'client and worker': wholeOf(contender.pid),
    Temporal: wholeOf(pids.Temporal),
  });
  return measure(read, () => contender.run(options));
}

async function measure<Cpu extends Record<string, number>>(
  read: () => Cpu,
  run: () => Promise<Lifecycles>,
): Promise<Measured<Cpu>> {
  const before = hasCpuTimes ? read() : undefined;
  const lifecycles = await run();
  const after = before && read();
  const { count, seconds } = lifecycles;
  const cpu =
    after &&
    (Object.fromEntries(
      Object.entries(after).map(([name, ms]) => [name, (ms - (before?.[name] ?? 0)) / count]),
    ) as Cpu);
  return { ...lifecycles, perSecond: count / seconds, cpu };
}

function wholeOf(pid: number): number {
  const { alive, ended } = cpuTimeOf(pid);
  return alive + ended;
}

function sharedFloor(bench: Bench): Promise<Contender> {
  return bench.once('floor', async () => {
    const contender = await startContender('floor.ts', { TEMPORAL_ADDRESS: bench.temporalAddress });
    bench.atEnd(contender.close);
    await contender.run({ count: 20, inFlight: 20 });
    return contender;
  });
}
