import { openAmqp } from '../bus/connection.ts';
import { errorMessage, FatalError } from '../../supervision/errors.ts';
import { declarations, nameOf, type TopologyObject } from '../bus/topology.ts';
import type { Finding } from './findings.ts';

export interface CreateOptions {
  amqpUrl: string;
  onCreated: (object: TopologyObject) => void;
}

/** Creates the objects that are missing and creatable. @throws Error that names an object that could not be created */
export async function createMissing(
  findings: readonly Finding[],
  { amqpUrl, onCreated }: CreateOptions,
): Promise<void> {
  const missing = new Set(findings.filter(({ creatable }) => creatable).map(({ object }) => nameOf(object)));
  if (missing.size === 0) return;
  const amqp = await openAmqp({ amqpUrl, connectionName: 'contracts:check' });
  try {
    const channel = await amqp.openSeparateChannel();
    for (const { object, declare } of declarations.filter((declaration) => missing.has(nameOf(declaration.object)))) {
      try {
        await declare(channel);
      } catch (error) {
        if (error instanceof FatalError) throw error;
        throw new Error(
          `The ${nameOf(object)} could not be created: ${errorMessage(error)}. Mend that and run it again; what was created stays.`,
          { cause: error },
        );
      }
      onCreated(object);
    }
  } finally {
    await amqp.close();
  }
}
