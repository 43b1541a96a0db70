import { gauge, histogram } from './define.ts';

const of = ['agents_worker'] as const;

/** What the database holds, as the one agents_worker that watches the hosts last read it. All others have none of these series. */
export interface EngineReading {
  log: { unpublished: number; oldestSeconds: number };
  instances: readonly { status: string; reason: string; agent: string; count: number; oldestSeconds: number }[];
  hosts: readonly { runtime: string; state: string; count: number }[];
}

let latest: { reading: EngineReading; at: number } | undefined;

export function setEngineReading(reading: EngineReading): void {
  latest = { reading, at: Date.now() / 1_000 };
}

/** Another process reads the database from now on. */
export function forgetEngineReading(): void {
  latest = undefined;
}

/** Reads the whole database: an engine has one process at a time that has these metrics. */
const fromReading = ' Only the agents_worker that watches the hosts has it.';

export const readingSeconds = histogram(
  {
    name: 'database_reading_seconds',
    help: 'Duration of the readings of the database. `outcome`: `succeeded` or `failed`.',
    labels: ['outcome'],
    of,
  },
  [0.005, 0.025, 0.1, 0.5, 1, 5, 10],
);

gauge(
  {
    name: 'database_reading_timestamp_seconds',
    help: `Time of the last reading, in seconds since 1970.${fromReading}`,
    of,
  },
  (metric) => {
    metric.remove();
    if (latest) metric.set(latest.at);
  },
);

gauge(
  {
    name: 'event_log_unpublished_entries',
    help: `Entries of the event log that are not published yet. 100000 stands for more.${fromReading}`,
    of,
  },
  (metric) => {
    metric.remove();
    if (latest) metric.set(latest.reading.log.unpublished);
  },
);

gauge(
  {
    name: 'event_log_oldest_unpublished_seconds',
    help: `Age of the oldest entry of the event log that is not published yet; 0 where all are.${fromReading}`,
    of,
  },
  (metric) => {
    metric.remove();
    if (latest) metric.set(latest.reading.log.oldestSeconds);
  },
);

const ofInstances = ['status', 'reason', 'agent'] as const;
const agentLabel =
  '`reason` is empty where the status has none. `agent` is the name of the agent; those with the fewest instances are together `(others)`, and agents that are not published `(unpublished)`.';

gauge({ name: 'instances', help: `Instances. ${agentLabel}${fromReading}`, labels: ofInstances, of }, (metric) => {
  metric.reset();
  for (const { status, reason, agent, count } of latest?.reading.instances ?? [])
    metric.set({ status, reason, agent }, count);
});

gauge(
  {
    name: 'instance_oldest_status_seconds',
    help: `Time since the last change of status of the instance that has its status for the longest time. ${agentLabel}${fromReading}`,
    labels: ofInstances,
    of,
  },
  (metric) => {
    metric.reset();
    for (const { status, reason, agent, oldestSeconds } of latest?.reading.instances ?? [])
      metric.set({ status, reason, agent }, oldestSeconds);
  },
);

gauge(
  {
    name: 'hosts',
    help: `Hosts, by kind of runtime. \`state\`: \`serving\`, \`draining\`, or \`lost\` where the lease has ended.${fromReading}`,
    labels: ['runtime', 'state'],
    of,
  },
  (metric) => {
    metric.reset();
    for (const { runtime, state, count } of latest?.reading.hosts ?? []) metric.set({ runtime, state }, count);
  },
);
