import { randomUUID } from 'node:crypto';
import pMap from 'p-map';
import { openEngine } from '../engine.ts';
import { measureEngine } from '../lifecycles.ts';
import type { Measurement, Row } from '../measurement.ts';

const sizes = [10, 100, 1_000];

/** Lifecycles, 50 in flight, while so many other agents run. */
export const runningAgents: Measurement = {
  name: 'running-agents',
  measure: async (bench) => {
    const rows: Row[] = [];
    const engine = await openEngine(bench);
    try {
      let running = 0;
      for (const size of sizes.filter((each) => each <= bench.largest)) {
        await pMap(Array.from({ length: size - running }), () => engine.begin(randomUUID()), { concurrency: 50 });
        running = size;
        const { perSecond, cpu } = await measureEngine(bench, engine, { inFlight: 50, count: bench.scaled(200, 50) });
        const at = { size, of: 'running agents' };
        rows.push({ name: 'lifecycles, 50 in flight', unit: '/s', better: 'more', value: perSecond, at });
        if (!cpu) continue;
        rows.push({
          name: 'CPU of agents_worker per lifecycle',
          unit: 'ms',
          better: 'less',
          value: cpu.agents_worker,
          at,
        });
        rows.push({ name: 'CPU of Temporal per lifecycle', unit: 'ms', better: 'less', value: cpu.Temporal, at });
        const rest = cpu.event_broker + cpu.PostgreSQL + cpu.RabbitMQ;
        rows.push({ name: 'CPU of the rest per lifecycle', unit: 'ms', better: 'less', value: rest, at });
      }
    } finally {
      await engine.close();
    }
    return rows;
  },
};
