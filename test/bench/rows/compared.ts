import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { runCommand, withProgress } from '../../../stack/command.ts';
import { choosePorts } from '../../../stack/ports.ts';
import { withPath } from '../../support/with-path.ts';
import { startContender } from '../contender.ts';
import { lifecyclesAt, lifecyclesOneByOne } from '../lifecycles.ts';
import { median, type Measurement, type Row } from '../measurement.ts';
import type { Bench } from '../open-bench.ts';

const folder = fileURLToPath(new URL('../compared/', import.meta.url));

/** The same lifecycle on what a user could take instead of the engine. Neither has rows, a bus or agents: only durable steps. */
export const compared: Measurement = {
  name: 'compared',
  // The libraries have 240 MB, most of it Restate's server, so that `npm ci` of the project does without them.
  isSlow: true,
  measure: async (bench) => {
    await withProgress('DBOS and Restate: being installed from npm …', bench.say, () =>
      // Of the scripts of the packages, the only one reports the installation to somebody.
      runCommand('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline'], { cwd: folder }),
    );
    const [node, admin, ingress, service] = Object.values(await choosePorts('free'));
    return [
      ...(await compareWith(bench, 'DBOS', 'compared/dbos.mjs', {
        DATABASE_URL: withPath(bench.databaseUrl, 'bench_dbos'),
      })),
      ...(await compareWith(bench, 'Restate', 'compared/restate.mjs', {
        RESTATE_BASE_DIR: join(bench.directory, 'restate'),
        NODE_PORT: String(node),
        ADMIN_PORT: String(admin),
        INGRESS_PORT: String(ingress),
        SERVICE_PORT: String(service),
      })),
    ];
  },
};

async function compareWith(
  bench: Bench,
  name: string,
  program: string,
  settings: Record<string, string>,
): Promise<Row[]> {
  const engine = { busy: await lifecyclesAt(bench, 50), alone: await lifecyclesOneByOne(bench) };
  const contender = await startContender(program, settings);
  try {
    await contender.run({ inFlight: 20, count: 20 });
    const { count, seconds } = await contender.run({ inFlight: 50, count: bench.scaled(400, 50) });
    const { toRunningMs } = await contender.run({ inFlight: 1, count: bench.scaled(50, 10), restMs: 20 });
    return [
      {
        name: `lifecycles, 50 in flight, beside ${name}`,
        unit: '/s',
        better: 'more',
        value: engine.busy.engine.perSecond,
        floor: { name, value: count / seconds },
      },
      {
        name: `insert → running, one at a time, beside ${name}`,
        unit: 'ms',
        better: 'less',
        value: median(engine.alone.engine.toRunningMs),
        floor: { name, value: median(toRunningMs) },
      },
    ];
  } finally {
    await contender.close();
  }
}
