import { z } from 'zod';
import { dockerKind } from './docker/kind.ts';
import type { OpenOptions, Variables } from './kind.ts';
import { kubernetesKind } from './kubernetes/kind.ts';
import { processKind } from './process/kind.ts';
import type { Runtime } from './runtime.ts';
import { createUnavailableRuntime } from './unavailable-runtime.ts';

/** Every kind of runtime. A new kind needs a folder and its name here; CONTRIBUTING.md walks through it. */
const kinds = [processKind, dockerKind, kubernetesKind] as const;

export type RuntimeName = (typeof kinds)[number]['name'];
export type Runtimes = Readonly<Record<RuntimeName, Runtime>>;

export const runtimeNames: readonly RuntimeName[] = kinds.map(({ name }) => name);

const [firstKind, ...otherKinds] = kinds;
/** What `agents.runtime` may hold: the spec of one of the kinds. */
export const runtimeSpec = z.discriminatedUnion('kind', [firstKind.spec, ...otherKinds.map(({ spec }) => spec)]);

/** Its `ready_timeout_seconds`. A runtime that no agent can be started with has the default: what is moved to it fails at once. */
export function readyTimeoutOf(runtime: unknown): number {
  const spec = runtimeSpec.safeParse(runtime);
  return spec.success ? spec.data.ready_timeout_seconds : 30;
}

/** The schemas of all variables of the environment that the kinds read. None is required, as no kind is. */
export const runtimeSettings: Readonly<Record<string, z.ZodType>> = Object.fromEntries(
  kinds.flatMap(({ settings }) =>
    Object.entries(settings).map(([name, schema]) => [
      name,
      schema.safeParse(undefined).success ? schema : schema.optional().meta({ ...schema.meta() }),
    ]),
  ),
);

/** Opens a runtime of every kind. A kind without a required variable gets a runtime that starts nothing. */
export async function openRuntimes(variables: Variables, options: OpenOptions): Promise<Runtimes> {
  const opened = kinds.map(async (kind) => {
    const { name } = kind;
    const missing = kind.findMissing(variables);
    if (missing === undefined) return [name, await kind.open(variables, options)] as const;
    const advice = `The agent is of the kind ${name}, and no worker runs that kind: set ${missing} of agents_worker.`;
    return [name, createUnavailableRuntime(advice)] as const;
  });
  return Object.fromEntries(await Promise.all(opened)) as Record<RuntimeName, Runtime>;
}

/** The name of the variable without which this process has no runtime of the kind; undefined when it has one. */
export function findMissingSetting(kind: string | null | undefined, variables: Variables): string | undefined {
  return kinds.find(({ name }) => name === kind)?.findMissing(variables);
}
