import { stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, dirname, delimiter } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { ProcessSpec } from './spec.ts';
import { RuntimeUnavailable, SpecRejected } from '../runtime.ts';
import type { ProvisionRequest } from '../runtime.ts';
import { errorCode } from './error-code.ts';
import type { InstanceFolder } from './instance-folder.ts';
import { leaseLapsed } from './lease-lapsed.ts';
import type { Launch, Launched, Launcher } from './launcher/start-launcher.ts';
import { isAlive, signalGroup } from './process-table.ts';

export type HostEnvironment = Readonly<Record<string, string | undefined>>;

interface StartOptions {
  launcher: Pick<Launcher, 'launch'>;
  folder: InstanceFolder;
  request: ProvisionRequest<ProcessSpec>;
  hostEnvironment: HostEnvironment;
  /** The user and group of the agent. The default is the worker's. */
  uid?: number | undefined;
  /** See `Launch`. */
  cgroup?: Launch['cgroup'] | undefined;
  /** See `EffectContext`. */
  mayStart?: (() => boolean) | undefined;
}

/** An agent gets only these variables of the worker, whose environment also holds secrets such as DATABASE_URL. */
const inherited = ['PATH', 'HOME', 'LANG', 'TZ'];

/** The errors of execve(2) that the command, its arguments or its folder cause, and not the host. */
const faultsOfSpec = new Set(['EACCES', 'ENOTDIR', 'EPERM', 'ENOEXEC', 'E2BIG', 'ELOOP', 'ENAMETOOLONG']);

const endPollMs = 5;

/**
 * Starts the agent in a session of its own, in which it outlives this process.
 * @throws SpecRejected, RuntimeUnavailable
 */
export async function startAgent({
  launcher,
  folder,
  request,
  hostEnvironment,
  uid,
  cgroup,
  mayStart = () => true,
}: StartOptions): Promise<Launched> {
  const { spec } = request;
  const [command = '', ...args] = spec.command;
  const cwd = spec.working_directory ?? folder.stateDirectory;
  const env = environmentOf({ folder, request, hostEnvironment, uid });
  const user = uid === undefined ? {} : { user: { uid, gid: uid } };
  if (!mayStart()) throw leaseLapsed();
  const agent = await launcher
    .launch({ command, args, cwd, env, logFile: folder.logFile, ...user, ...(cgroup && { cgroup }) })
    .catch(async (error: unknown) => {
      throw error instanceof RuntimeUnavailable ? error : await explain(error, { command, cwd, uid });
    });
  // The worker may have been stopped between the first check and the start.
  if (!mayStart()) {
    signalGroup(agent.identity, 'SIGKILL');
    while (isAlive(agent.identity)) await setTimeout(endPollMs);
    throw leaseLapsed();
  }
  return agent;
}

function environmentOf({
  folder,
  request,
  hostEnvironment,
  uid,
}: Omit<StartOptions, 'launcher' | 'cgroup' | 'mayStart'>): Record<string, string> {
  const passedOn = inherited.flatMap((name) => {
    const value = hostEnvironment[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return {
    PATH: [dirname(process.execPath), '/usr/local/bin', '/usr/bin', '/bin'].join(delimiter),
    HOME: homedir(),
    ...Object.fromEntries(passedOn),
    ...(uid !== undefined && { HOME: folder.stateDirectory }),
    ...request.spec.environment,
    INSTANCE_ID: request.instanceId,
    INSTANCE_NAME: folder.name,
    AGENT_ID: request.agentId,
    INSTANCE_CONFIG_FILE: folder.configFile,
    INSTANCE_READY_FILE: folder.readyFileOf(uid),
    ...(request.control && {
      INSTANCE_CONTROL_URL: request.control.url,
      INSTANCE_CONTROL_QUEUE: request.control.queue,
    }),
  };
}

/** The user of the instance reads the message, so paths of the host are only in the cause. */
async function explain(
  thrown: unknown,
  { command, cwd, uid }: { command: string; cwd: string; uid: number | undefined },
): Promise<Error> {
  const code = errorCode(thrown) ?? '';
  const reason = thrown instanceof Error ? thrown.message : String(thrown);
  const cause = new Error(`In the folder ${cwd}, the command ${command} cannot be run: ${reason}`, { cause: thrown });
  const isFolder = await stat(cwd).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (!isFolder) {
    const advice = 'Create it on the host of agents_worker, or publish the agent with another working_directory.';
    return new SpecRejected(`The working directory of the agent is not a folder. ${advice}`, { cause });
  }
  const program = `The command ${basename(command)}`;
  if (code === 'ENOENT') {
    const advice =
      'Install it on the host of agents_worker, in a folder of PATH, or publish the agent with another command.';
    return new SpecRejected(`${program} or its interpreter does not exist. ${advice}`, { cause });
  }
  if (faultsOfSpec.has(code) || code.startsWith('ERR_INVALID_ARG')) {
    const user = uid === undefined ? '' : ' that the user of the agent can reach (AGENT_UIDS of agents_worker)';
    const advice = `Check that it is an executable file${user}, or publish the agent with another command.`;
    return new SpecRejected(`${program} cannot be run (${code}). ${advice}`, { cause });
  }
  return new RuntimeUnavailable(`The host cannot start a process at the moment (${code}).`, { cause });
}
