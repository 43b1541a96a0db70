import { toolsDirectory } from '../../stack/paths.ts';
import { findRabbitmq4 } from './find-rabbitmq-4.ts';

/** The project of vitest that runs the tests of the bus once more, on RabbitMQ 4. */
export const rabbitmq4Project = 'rabbitmq-4';

/** What depends on RabbitMQ, chosen so that a second run of it takes little time. */
export const testsOfTheBus = [
  'accounts-bus',
  'accounts-check',
  'admin-backend-dead-letters',
  'audit',
  'audit-refill',
  'cli-dead-letters',
  'consumer',
  'consumer-forgotten',
  'contract-consumer',
  'contract-publisher',
  'control-plane',
  'dead-letters',
  'dead-letters-sent-again',
  'event-broker',
  'event-broker-queues',
  'rabbitmq-4',
  'topology-check',
  'topology-policies',
  'topology-removed',
  'topology-start-up',
  'topology-unchecked',
  'unreadable-headers',
  'user-backend-live',
].map((name) => `test/*/${name}.test.ts`);

/** @throws Error when only one of the two is set */
export function givenRabbitmq4(): { amqpUrl: string; managementUrl: string } | undefined {
  const { RABBITMQ_4_AMQP_URL: amqpUrl = '', RABBITMQ_4_MANAGEMENT_URL: managementUrl = '' } = process.env;
  if (amqpUrl === '' && managementUrl === '') return undefined;
  if (amqpUrl !== '' && managementUrl !== '') return { amqpUrl, managementUrl };
  throw new Error('Set both RABBITMQ_4_AMQP_URL and RABBITMQ_4_MANAGEMENT_URL, or neither.');
}

/** Makes RabbitMQ 4 available, and says so. False: it cannot be had here, and why. */
export async function prepareRabbitmq4(): Promise<boolean> {
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  if (givenRabbitmq4() !== undefined) return true;
  try {
    await findRabbitmq4({ toolsDirectory, onProgress: say });
    return true;
  } catch (error) {
    say(
      `RabbitMQ 4: THE TESTS OF THE BUS ARE NOT RUN ON IT: ${error instanceof Error ? error.message : String(error)}`,
    );
    return false;
  }
}
