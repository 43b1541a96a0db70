/** What the agents of the model do when they exit by themselves. The model knows nothing else about them. */
export type RestartPolicy = 'never' | 'on_failure' | 'always';

export interface AgentKind {
  restart: RestartPolicy;
  publishedAtFirst: boolean;
  /** Whether its command exists. */
  runs: boolean;
  /** The value of `agents.runtime`. */
  runtime: object;
}

/**
 * Writes its pid, its agent and its config to a file, then waits until somebody writes an exit code into the pipe `door`.
 * A single process, except while it starts.
 */
const script = (beforeReady = ''): string[] => [
  'sh',
  '-c',
  `read -r config < "$INSTANCE_CONFIG_FILE"; echo "$$ $AGENT_ID $config" > started; [ -p door ] || mkfifo door
   ${beforeReady}: > "$INSTANCE_READY_FILE"; read -r code < door; exit "$code"`,
];

const common = { kind: 'process', stop_grace_seconds: 2, command: script() };
const steady = { restart: 'never', publishedAtFirst: true, runs: true } as const;
/** No sequence uses up this many restarts. */
const restarts = { max_restarts: 1000, backoff_seconds: 0.05, max_backoff_seconds: 0.2 };

const kinds = {
  /** The agent has a control queue, which must be removed with the instance. */
  plain: { ...steady, runtime: { ...common, control: true } },
  /** Provisioning takes long enough to be interrupted. */
  slow: { ...steady, runtime: { ...common, command: script('sleep 0.3; '), ready: 'file' } },
  resilient: {
    ...steady,
    restart: 'on_failure',
    runtime: { ...common, restart: { ...restarts, policy: 'on_failure' } },
  },
  tireless: { ...steady, restart: 'always', runtime: { ...common, restart: { ...restarts, policy: 'always' } } },
  late: { ...steady, publishedAtFirst: false, runtime: common },
  broken: { ...steady, runs: false, runtime: { ...common, command: ['/nowhere/no-such-agent'] } },
} satisfies Record<string, AgentKind>;

export type AgentName = keyof typeof kinds;
export const agentKinds: Readonly<Record<AgentName, AgentKind>> = kinds;
export const agentNames = Object.keys(kinds) as AgentName[];

/** What an agent writes to `started`, parsed. */
export function readStarted(text: string): { pid: number; agentId: string; version: number } | undefined {
  const [, pid, agentId, version] = /^(\d+) (\S+) \{"version":(\d+)\}\n$/.exec(text) ?? [];
  if (pid === undefined || agentId === undefined) return undefined;
  return { pid: Number(pid), agentId, version: Number(version) };
}
