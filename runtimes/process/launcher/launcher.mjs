/**
 * The launcher of agents_worker, a process of its own: it starts agents, and tells the worker how they end. See README.md.
 *
 * It is JavaScript and imports nothing of the project, so that it starts within milliseconds and stays small.
 */
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, constants, openSync, readFileSync, writeFileSync } from 'node:fs';

const worker = process.ppid;
const appended = constants.O_WRONLY | constants.O_APPEND | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** Whether this process could not leave the cgroup of an agent, with which it would be ended. */
let isStranded = false;

function launch({ id, command, args, logFile, psColumns, cgroup, ...options }) {
  if (isStranded) return;
  let log;
  try {
    log = openSync(logFile, appended);
    // The successor of a killed worker may start the agent itself. Before, it waits for every launcher that holds the log open.
    if (process.ppid !== worker) return;
    // The agent begins its life in the cgroup, so nothing that it starts is ever outside.
    const inCgroup = cgroup !== undefined && enter(cgroup.directory);
    let child;
    try {
      child = spawn(command, args, { ...options, detached: true, stdio: ['ignore', log, log] });
    } finally {
      isStranded = inCgroup && !enter(cgroup.home);
    }
    child.once('error', (error) => fail(id, error));
    if (child.pid === undefined) return;
    child.once('exit', (code, signal) => answer({ id, exit: { code, signal } }));
    // Read before anything else happens: until then, even an agent that ended at once is still in the process table.
    answer({ id, pid: child.pid, entry: entryOf(child.pid, psColumns), inCgroup });
  } catch (error) {
    fail(id, error);
  } finally {
    if (log !== undefined) closeSync(log);
  }
}

/** Moves this process into a cgroup. */
function enter(cgroup) {
  try {
    writeFileSync(`${cgroup}/cgroup.procs`, '0', { flag: constants.O_WRONLY });
    return true;
  } catch {
    return false;
  }
}

/** What the system says about a process, as text. */
function entryOf(pid, psColumns) {
  if (process.platform === 'linux') return readFileSync(`/proc/${pid}/stat`, 'latin1');
  return spawnSync('ps', ['-o', psColumns, '-p', String(pid)], { encoding: 'utf8' }).stdout;
}

function fail(id, { message, code }) {
  answer({ id, error: { message, code } });
}

function answer(message) {
  if (process.connected) process.send(message, () => isStranded && process.exit());
}

process.on('message', launch);
// The agents go on without the worker.
process.on('disconnect', () => process.exit());
