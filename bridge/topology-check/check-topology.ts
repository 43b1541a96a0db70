import { setTimeout as delay } from 'node:timers/promises';
import { openAmqp } from '../bus/connection.ts';
import { declarations, nameOf, type TopologyObject } from '../bus/topology.ts';
import { errorMessage, FatalError } from '../../supervision/errors.ts';
import { isOfControlQueue } from './expected.ts';
import { compare } from './compare.ts';
import type { Finding } from './findings.ts';
import type { ManagementOptions } from './management-api.ts';
import { readVirtualHost } from './virtual-host.ts';

export interface CheckOptions extends ManagementOptions {
  /** How long differences that may pass by themselves are checked again. */
  settleMs?: number;
}

/** Compares a virtual host with the contracts. @throws Error that says which option to give, if it cannot be read */
export async function checkTopology(options: CheckOptions): Promise<Finding[]> {
  // agents_worker may be declaring or deleting a control queue right now.
  return settle(options, ({ object }) => isOfControlQueue(object));
}

/**
 * Creates missing objects. Deletes nothing, and changes no object that is different.
 *
 * @returns the remaining differences
 * @throws Error that says what to do, if the virtual host cannot be read or an object cannot be created
 */
export async function applyTopology({
  onCreated,
  ...options
}: CheckOptions & { onCreated: (object: TopologyObject) => void }): Promise<Finding[]> {
  const created = new Set<string>();
  await createMissing(options.amqpUrl, await checkTopology(options), (object) => {
    created.add(nameOf(object));
    onCreated(object);
  });
  // In a cluster, the node that answers may learn of a new object a moment later.
  const unseen = ({ kind, object }: Finding): boolean => kind === 'missing' && created.has(nameOf(object));
  const findings = await settle(options, (finding) => unseen(finding) || isOfControlQueue(finding.object));
  const lost = findings.find(unseen);
  if (lost === undefined) return findings;
  throw new Error(
    `The ${nameOf(lost.object)} was created, but RabbitMQ's management API does not show it: ` +
      'name the API of the same server with --management-url.',
  );
}

/** Reports a finding that may pass only if every reading has it. */
async function settle(
  { settleMs = 1_000, ...management }: CheckOptions,
  mayPass: (finding: Finding) => boolean,
): Promise<Finding[]> {
  const deadlineMs = Date.now() + settleMs;
  let findings = compare(await readVirtualHost(management));
  while (findings.some(mayPass) && Date.now() < deadlineMs) {
    await delay(100);
    const before = new Set(findings.map((finding) => JSON.stringify(finding)));
    findings = compare(await readVirtualHost(management)).filter(
      (finding) => !mayPass(finding) || before.has(JSON.stringify(finding)),
    );
  }
  return findings;
}

/** Creates the objects that are missing and creatable. @throws Error that names an object that could not be created */
async function createMissing(
  amqpUrl: string,
  findings: readonly Finding[],
  onCreated: (object: TopologyObject) => void,
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
