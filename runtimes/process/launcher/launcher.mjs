/**
 * The launcher of agents_worker, a process of its own: it starts agents, and tells the worker how they end. See README.md.
 *
 * It is JavaScript and imports nothing of the project, so that it starts within milliseconds and stays small.
 */
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, constants, openSync, readFileSync } from 'node:fs';

const worker = process.ppid;
const appended = constants.O_WRONLY | constants.O_APPEND | constants.O_NOFOLLOW | constants.O_NONBLOCK;

function launch({ id, command, args, logFile, psColumns, ...options }) {
  let log;
  try {
    log = openSync(logFile, appended);
    // The successor of a killed worker may start the agent itself. Before, it waits for every launcher that holds the log open.
    if (process.ppid !== worker) return;
    const child = spawn(command, args, { ...options, detached: true, stdio: ['ignore', log, log] });
    child.once('error', (error) => fail(id, error));
    if (child.pid === undefined) return;
    child.once('exit', (code, signal) => answer({ id, exit: { code, signal } }));
    // Read before anything else happens: until then, even an agent that ended at once is still in the process table.
    answer({ id, pid: child.pid, entry: entryOf(child.pid, psColumns) });
  } catch (error) {
    fail(id, error);
  } finally {
    if (log !== undefined) closeSync(log);
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
  if (process.connected) process.send(message, () => undefined);
}

process.on('message', launch);
// The agents go on without the worker.
process.on('disconnect', () => process.exit());
