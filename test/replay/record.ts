import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { DefaultLogger, Runtime } from '@temporalio/worker';
import { agentsDirectory, stackRoot, toolsDirectory } from '../../stack/paths.ts';
import { resetStack, startStack } from '../../stack/stack.ts';
import { loadWorkflowBundle, type WorkflowBundle } from '../../workers/workflow-bundle.ts';
import { openRig } from '../support/rig.ts';
import { historiesDirectory } from './histories.ts';
import type { Scenario } from './scenarios/scenario.ts';
import { scenarios } from './scenarios/scenarios.ts';
import { settledHistory } from './settled-history.ts';
import { toText } from './scrub.ts';
import { openStage, type Stage } from './stage.ts';
import { bundleObservedWorkflows, visitsOf } from './visits.ts';

/**
 * `npm run histories:record`: plays every scenario, or those named, on servers of its own and replaces their histories.
 * Those of earlier versions of the code, in folders below, stay.
 */
const attempts = 10;
const directory = resolve(stackRoot, 'record');
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const named = process.argv.slice(2);
const chosen = Object.entries(scenarios).filter(([name]) => named.length === 0 || named.includes(name));
const unknown = named.filter((name) => scenarios[name] === undefined);
if (unknown.length > 0) throw new Error(`No such scenario: ${unknown.join(', ')}`);

// Ctrl-C ends this process at once: its servers end with it, and the next run ends its agents.
Runtime.install({ logger: new DefaultLogger('ERROR'), shutdownSignals: [] });
await resetStack(directory);
const stack = await startStack({ directory, toolsDirectory, portBase: 'free', onProgress: say });
try {
  const { databaseUrl, amqpUrl, managementUrl, temporal } = stack;
  if (managementUrl === undefined || temporal === undefined) throw new Error('The stack did not come up whole.');
  const bundle = join(directory, 'workflow-bundle.js');
  await writeFile(bundle, (await loadWorkflowBundle()).code);
  const observed = await bundleObservedWorkflows();
  const rig = await openRig({
    servers: { databaseUrl, amqpUrl, managementUrl, temporalAddress: temporal.address },
    workflowBundle: bundle,
    // One sweep is a scenario; others must not come between.
    settings: {
      SWEEP_INTERVAL_SECONDS: String(24 * 60 * 60),
      RUNTIME_DIRECTORY: agentsDirectory(directory),
      HOST_LEASE_SECONDS: '3',
    },
  });
  const stage = await openStage(rig);
  try {
    await mkdir(historiesDirectory, { recursive: true });
    for (const [name, scenario] of chosen) {
      const text = await record(stage, observed, name, scenario);
      await writeFile(join(historiesDirectory, `${name}.json`), text);
      say(`${name}: ${text.trimEnd().split('\n').length - 2} events`);
    }
    await removeStale();
  } finally {
    await rig.close();
  }
} finally {
  await stack.stop();
  await resetStack(directory);
}

async function record(stage: Stage, observed: WorkflowBundle, name: string, scenario: Scenario): Promise<string> {
  for (let attempt = 1; attempt <= attempts; attempt += 1) {
    await stage.startAll();
    const played = await scenario.play(stage);
    const handle = typeof played === 'string' ? stage.rig.workflow(played) : played;
    const text = toText(await settledHistory(handle));
    const visits = await visitsOf(observed, [{ name, text, history: JSON.parse(text) as unknown }]);
    const missed = (scenario.shows ?? []).filter((cell) => !visits.get(name)?.cells.has(cell));
    if (missed.length === 0) return text;
    say(`${name}: missed ${missed.join(', ')} (try ${attempt} of ${attempts})`);
  }
  throw new Error(`${name} does not show what it is to show: correct the scenario`);
}

/** Histories of scenarios that no longer exist. */
async function removeStale(): Promise<void> {
  const entries = await readdir(historiesDirectory, { withFileTypes: true });
  const stale = entries.filter((entry) => entry.isFile() && scenarios[entry.name.replace(/\.json$/, '')] === undefined);
  await Promise.all(stale.map(({ name }) => rm(join(historiesDirectory, name))));
}
