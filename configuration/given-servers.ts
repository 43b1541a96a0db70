import { parseSettings, requireEnvironment } from './environment.ts';
import { passwordsIn } from './secrets.ts';
import { rabbitmqSettings, serverSettings } from './settings.ts';
import { findTemporal } from './temporal.ts';

export type GivenServers = ReturnType<typeof readGivenServers>;

/** The servers that the environment names; `stack/` brings the others up. @throws InvalidConfiguration */
export function readGivenServers() {
  const environment = requireEnvironment();
  const given = parseSettings(serverSettings, environment);
  const temporal = findTemporal(environment);
  return {
    databaseUrl: given.DATABASE_URL,
    databaseDirectUrl: given.DATABASE_DIRECT_URL,
    amqpUrl: given.AMQP_URL,
    controlAmqpUrl: given.CONTROL_AMQP_URL,
    managementUrl: given.RABBITMQ_MANAGEMENT_URL,
    temporalAddress: 'problem' in temporal ? undefined : temporal.connection.address,
    portBase: given.STACK_PORT_BASE,
    stackDirectory: given.STACK_DIRECTORY,
  };
}

/** RabbitMQ and its management API, which an option of a command may name. @throws InvalidConfiguration */
export function readRabbitmq({ managementUrl }: { managementUrl?: string | undefined } = {}) {
  const environment = requireEnvironment(managementUrl === undefined ? {} : { RABBITMQ_MANAGEMENT_URL: managementUrl });
  const { AMQP_URL, RABBITMQ_MANAGEMENT_URL } = parseSettings(rabbitmqSettings, environment, {
    names: { RABBITMQ_MANAGEMENT_URL: '--management-url (or RABBITMQ_MANAGEMENT_URL)' },
  });
  return { amqpUrl: AMQP_URL, managementUrl: RABBITMQ_MANAGEMENT_URL };
}

/** The passwords that accounts are to get at a server, as far as the environment gives them. @throws InvalidConfiguration */
export function readServicePasswords(server: 'DATABASE' | 'AMQP'): Record<string, string> {
  return passwordsIn(requireEnvironment(), server);
}
