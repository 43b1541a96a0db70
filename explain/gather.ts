import type { Client } from '@temporalio/client';
import { listDeadLetters } from '../bridge/dead-letters/list-letters.ts';
import { errorMessage } from '../supervision/errors.ts';
import { readHostOfInstance } from '../database/hosts/host-of-instance.ts';
import { readInstanceView, type Queryable } from '../database/instances/view.ts';
import { findMissingSetting } from '../runtimes/registry.ts';
import { readLog } from './event-log.ts';
import { valueOf, wasRead, type Findings, type Knowledge } from './findings.ts';
import { readRuntimes, type RuntimeSettings } from './runtime.ts';
import { wholePast, type Past } from './past.ts';
import { readWorkflow } from './workflow.ts';

/**
 * Calls the reader with the server that it reads from. An error of the source or the reader makes the part `missing`, with
 * its message as the reason, so the message should say what to do.
 */
export type Source<Server> = <Result>(read: (server: Server) => Promise<Result>) => Promise<Result>;

/** The parts that the caller can read. A part without a source is left out. */
export interface Sources {
  /** Needs the right to read `instances`, `agents` (without `runtime`), `agent_version_runtimes`, `instance_rollouts` and `event_history`. */
  database?: Source<Queryable>;
  /** Needs an account that may read the dead-letter queues. */
  deadLetters?: Source<{ amqpUrl: string }>;
  /** The source has to set a deadline, because Temporal's client has none. */
  workflow?: Source<Client>;
  /** The runtimes of the host of the caller. */
  runtime?: Source<RuntimeSettings>;
}

export interface Question {
  instanceId: string;
  /** The number of versions of the row and lines of the workflow to read, counted from the latest. */
  last: number;
  past?: Past;
  sources: Sources;
  /** Also reads the host of the instance. Needs the right to read `placements` and `hosts`. */
  withHost?: boolean;
}

/** Reads every part of the system at once. A part that does not answer is missing and delays no other. */
export async function gather({
  instanceId,
  last,
  past = wholePast,
  sources,
  withHost = false,
}: Question): Promise<Findings> {
  let settings: RuntimeSettings | undefined;
  const [database, deadLetters, workflow, local] = await Promise.all([
    ask(sources.database, async (client) => ({
      row: await readInstanceView(client, instanceId),
      log: await readLog(client, { instanceId, last, past }),
      placed: withHost ? await readHostOfInstance(client, instanceId) : undefined,
    })),
    ask(sources.deadLetters, ({ amqpUrl }) => listDeadLetters({ amqpUrl, instanceId, limit: maxLetters })),
    ask(sources.workflow, (client) => readWorkflow(client, { instanceId, last, past })),
    ask(sources.runtime, (given) => {
      settings = given;
      return readRuntimes(given, instanceId);
    }),
  ]);
  const placed = valueOf(database)?.placed;
  const host = placed && { ...placed, isHere: valueOf(local)?.hostIds.includes(placed.id) ?? false };
  const findings = { instanceId, database, deadLetters, workflow, host };
  const runtime = wasRead(local) ? local.value.description : local;
  // That this host keeps nothing is no news, because the instance is placed on another one.
  if (host?.isHere === false && wasRead(runtime) && !runtime.value) return { ...findings, runtime: undefined };
  const kind = valueOf(database)?.row?.agent_runtime;
  const unset = settings && findMissingSetting(kind, settings.variables);
  const unseen = unset && {
    missing: `Its agent is of the kind ${kind}: set ${unset}, as for agents_worker, to see it.`,
  };
  return { ...findings, runtime: unseen || runtime };
}

const maxLetters = 1_000;

async function ask<Server, Value>(
  source: Source<Server> | undefined,
  read: (server: Server) => Promise<Value>,
): Promise<Knowledge<Value> | undefined> {
  if (!source) return undefined;
  try {
    return { value: await source(read) };
  } catch (error) {
    return { missing: errorMessage(error) };
  }
}
