import { settings } from '../../configuration/settings.ts';

/** The variables that name servers for the tests. The set-up of a project reads them, and hands the servers to its tests. */
const givenServer = /^(DATABASE_URL|AMQP_URL|RABBITMQ_MANAGEMENT_URL|RABBITMQ_4_\w+|TEMPORAL_\w+|KUBECONFIG)$/;

/** Other variables by which a service, a client of a server or a program of the tests behaves differently. */
const otherSettings = [
  /^(PG|DOCKER_|KUBE|RABBITMQ_|ERL_|TEMPORAL_|STACK_)/,
  /_(DATABASE|AMQP)_PASSWORD(_FILE)?$/,
  /_(URL|SECRET|KEY|CA)_FILE$/,
  /^(NO_COLOR|FORCE_COLOR|CI|COLUMNS|LINES)$/,
];
/** Vitest itself reads these in its main process. */
const ofTheReporter = /^(NO_COLOR|FORCE_COLOR|CI|COLUMNS|LINES)$/;

/**
 * Removes what the machine has set and what would change how the system under test behaves. The main process keeps what
 * names servers for the tests; the processes that run tests, and whatever those start, keep none of it.
 */
export function removeMachineSettings({
  process: kind,
  environment = process.env,
}: {
  process: 'main' | 'tests';
  environment?: NodeJS.ProcessEnv;
}): void {
  for (const name of Object.keys(environment)) {
    const isSetting = name in settings.shape || otherSettings.some((pattern) => pattern.test(name));
    const isKept = kind === 'main' && (givenServer.test(name) || ofTheReporter.test(name));
    if (isSetting && !isKept) delete environment[name];
  }
}
