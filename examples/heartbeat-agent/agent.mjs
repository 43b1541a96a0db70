/**
 * A small agent that prints a line at an interval until a command or SIGTERM asks it to stop.
 * Config: `interval_ms` (default 1000), `message` (default "alive"), `fail_after_ms` (optional: ends with exit code 1).
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { listen } from './control.mjs';

const { INSTANCE_ID, INSTANCE_CONFIG_FILE, INSTANCE_READY_FILE } = process.env;
const config = readConfig();

const heartbeat = setInterval(() => print(config.message), config.interval_ms);
if (config.fail_after_ms !== undefined) {
  setTimeout(() => fail(`failing after ${config.fail_after_ms} ms, as the config asks for`), config.fail_after_ms);
}

void listen((type, { reason }) => {
  print(`${type} (${reason})`);
  if (type === 'instance.stop') stop();
});
// SIGTERM follows the command, and arrives alone when RabbitMQ is down.
process.once('SIGTERM', () => {
  print('SIGTERM');
  stop();
});

/** Ends gracefully: an agent finishes its work and exits with code 0 before the grace period is over. */
function stop() {
  clearInterval(heartbeat);
  print('asked to stop');
  process.exit(0);
}

// This comes last, because the instance counts as running from now on.
print('ready');
writeFileSync(INSTANCE_READY_FILE, '');

function readConfig() {
  let given;
  try {
    given = JSON.parse(readFileSync(INSTANCE_CONFIG_FILE, 'utf8'));
  } catch (error) {
    fail(`the config cannot be read from $INSTANCE_CONFIG_FILE: ${error.message}`);
  }
  const { interval_ms = 1000, message = 'alive', fail_after_ms } = given;
  const problems = [
    isDuration(interval_ms) ? [] : ['interval_ms must be a whole number of milliseconds, at least 1'],
    typeof message === 'string' ? [] : ['message must be a text'],
    fail_after_ms === undefined || isDuration(fail_after_ms)
      ? []
      : ['fail_after_ms must be a whole number of milliseconds, at least 1'],
  ].flat();
  if (problems.length > 0) fail(`the config is not valid: ${problems.join('; ')}`);
  return { interval_ms, message, fail_after_ms };
}

function isDuration(value) {
  return Number.isInteger(value) && value >= 1 && value < 2 ** 31;
}

function print(text) {
  console.log(`${new Date().toISOString()} ${INSTANCE_ID} ${text}`);
}

function fail(reason) {
  console.error(reason);
  process.exit(1);
}
