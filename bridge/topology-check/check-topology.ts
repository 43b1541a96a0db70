import { setTimeout as delay } from 'node:timers/promises';
import { nameOf, type TopologyObject } from '../bus/topology.ts';
import { isOfControlQueue } from './expected.ts';
import { compare } from './compare.ts';
import { createMissing, type CreateOptions } from './create-missing.ts';
import type { Finding } from './findings.ts';
import type { ManagementOptions } from './management-api.ts';
import { readVirtualHost } from './virtual-host.ts';

export interface CheckOptions extends ManagementOptions {
  /** How long what may pass by itself is looked at again. */
  settleMs?: number;
  pollMs?: number;
}

/**
 * Compares a virtual host with the catalog.
 *
 * @throws Error that says which option to give, when it cannot be read
 */
export async function checkTopology(options: CheckOptions): Promise<Finding[]> {
  // The engine may be making or removing that queue right now.
  return settle(options, ({ object }) => isOfControlQueue(object));
}

/**
 * Creates what is missing. Deletes nothing, and leaves alone what is different.
 *
 * @returns what then still differs
 * @throws Error that says what to do, when it cannot be read, created, or seen once it is created
 */
export async function applyTopology({ onCreated, ...options }: CheckOptions & CreateOptions): Promise<Finding[]> {
  const created = new Set<string>();
  await createMissing(await checkTopology(options), {
    amqpUrl: options.amqpUrl,
    onCreated: (object: TopologyObject) => {
      created.add(nameOf(object));
      onCreated(object);
    },
  });
  // In a cluster, the node that is asked may learn of it a moment later.
  const unseen = ({ kind, object }: Finding): boolean => kind === 'missing' && created.has(nameOf(object));
  const findings = await settle(options, (finding) => unseen(finding) || isOfControlQueue(finding.object));
  const lost = findings.find(unseen);
  if (lost === undefined) return findings;
  throw new Error(
    `The ${nameOf(lost.object)} was created, but RabbitMQ's management API does not show it: ` +
      'name the API of the same server with --management-url.',
  );
}

/** Findings that may pass count only when every reading has them. */
async function settle(
  { settleMs = 1_000, pollMs = 100, ...management }: CheckOptions,
  mayPass: (finding: Finding) => boolean,
): Promise<Finding[]> {
  const deadlineMs = Date.now() + settleMs;
  let findings = compare(await readVirtualHost(management));
  while (findings.some(mayPass) && Date.now() < deadlineMs) {
    await delay(pollMs);
    const before = new Set(findings.map((finding) => JSON.stringify(finding)));
    findings = compare(await readVirtualHost(management)).filter(
      (finding) => !mayPass(finding) || before.has(JSON.stringify(finding)),
    );
  }
  return findings;
}
