import { randomUUID } from 'node:crypto';
import { describe, expect, test, vi } from 'vitest';
import { checkTopology } from '../../bridge/topology-check/check-topology.ts';
import type { Finding } from '../../bridge/topology-check/findings.ts';
import { assertTopology } from '../../bridge/bus/topology.ts';
import { controlQueueName } from '../../contracts/names.ts';
import { controlQueueOf, topology } from '../../contracts/topology.ts';
import { contractsCheck } from '../support/contracts-check.ts';
import { openVirtualHost } from '../support/virtual-host.ts';

const audit = 'admin_backend.audit';
const instance = 'agents_worker.instance';
const letters = 'agents_worker.instance.dead';

/** The catalog in a virtual host of its own, with a control queue. */
async function openBroker() {
  const host = await openVirtualHost();
  await assertTopology(host.channel, 'event_broker');
  const instanceId = randomUUID();
  const { name, exchange, routingKeys, arguments: given } = controlQueueOf({ instanceId, agentId: randomUUID() });
  await host.channel.assertQueue(name, { durable: true, arguments: given });
  for (const key of routingKeys) await host.channel.bindQueue(name, exchange, key);
  const set =
    (list: string) =>
    async (definition: object, { pattern = '.*', priority = 0, applyTo = 'queues' } = {}) => {
      await host.management('PUT', `${list}/${host.name}/p${priority}`, {
        pattern,
        priority,
        definition,
        'apply-to': applyTo,
      });
    };
  return {
    ...host,
    control: controlQueueName(instanceId),
    setPolicy: set('policies'),
    setOperatorPolicy: set('operator-policies'),
    /** RabbitMQ applies a policy a moment after it was set. */
    untilFound: (count: number): Promise<Finding[]> =>
      vi.waitFor(async () => {
        const findings = await checkTopology({ ...host, settleMs: 1 });
        expect(findings.filter(({ harmless }) => !harmless)).toHaveLength(count);
        return findings;
      }),
  };
}

const outline = (findings: readonly Finding[]) =>
  findings.map(({ object, property, catalog, actual }) => `${'name' in object ? object.name : ''} ${property}: ${JSON.stringify(catalog)} → ${JSON.stringify(actual)}`).toSorted(); // prettier-ignore

describe.concurrent('policies', () => {
  test('that drop messages of every queue make the check differ, and are named with the way out', async () => {
    await using host = await openBroker();
    await host.setPolicy({ 'max-length': 10, 'message-ttl': 60_000 });
    const everyQueue = topology.queues.length + 1;
    await host.untilFound(2 * everyQueue);
    const { output, exitCode } = await contractsCheck([], {
      AMQP_URL: host.amqpUrl,
      RABBITMQ_MANAGEMENT_URL: host.managementUrl,
    });
    expect(output).toMatch(
      /^different {2}queue admin_backend\.audit, max-length: the catalog says none, RabbitMQ has 10\. The policy p0 sets it: .*clear_policy/m,
    );
    expect(output).toMatch(
      /^different {2}queue instance\.\S+\.control, max-length: the catalog says 64, RabbitMQ has 10\./m,
    );
    expect(output).toMatch(new RegExp(`^DIFFERS: 0 missing, ${2 * everyQueue} different`, 'm'));
    expect(exitCode).toBe(1);
  });

  test('of operators are found, too, and the stricter of argument, policy and operator policy counts', async () => {
    await using host = await openBroker();
    await host.setPolicy({ 'delivery-limit': 90, 'max-length-bytes': 2 ** 40, expires: 900_000 });
    await host.setOperatorPolicy({ 'delivery-limit': 3, 'max-length': 1 }, { pattern: `^${instance}$`, priority: 1 });
    await host.setOperatorPolicy({ 'message-ttl': 5 }, { pattern: `^${instance}`, priority: 0 });
    const findings = (await host.untilFound(2 * topology.queues.length + 2)).filter(
      ({ object }) => 'name' in object && [instance, letters, audit, host.control].includes(object.name),
    );
    // A policy that limits deliveries applies to no classic queue, such as a control queue.
    expect(outline(findings)).toEqual(
      [
        `${audit} delivery-limit: 100 → 90`,
        `${audit} expires: null → 900000`,
        `${instance} delivery-limit: 100 → 3`,
        `${instance} expires: null → 900000`,
        `${instance} max-length: null → 1`,
        `${letters} delivery-limit: 1000000 → 90`,
        `${letters} expires: null → 900000`,
        `${letters} message-ttl: null → 5`,
      ].toSorted(),
    );
    const strictest = findings.find(({ actual }) => actual === 3);
    expect(strictest?.wayOut).toContain('The operator policy p1 sets it');
    expect(strictest?.wayOut).toContain('clear_operator_policy');
  });

  test('that let a queue drop which should refuse, or reroute dead letters, are found', async () => {
    await using host = await openBroker();
    await host.setPolicy({ overflow: 'drop-head', 'dead-letter-exchange': 'amq.fanout' });
    const findings = await host.untilFound(12);
    const rerouted = topology.queues.map(({ name }) => name).filter((name) => name.endsWith('.dead'));
    expect(outline(findings)).toEqual(
      [
        `agents_worker.agent overflow: "reject-publish" → "drop-head"`,
        `agents_worker.deployment overflow: "reject-publish" → "drop-head"`,
        `agents_worker.rollout overflow: "reject-publish" → "drop-head"`,
        `${instance} overflow: "reject-publish" → "drop-head"`,
        ...[...rerouted, host.control].map((name) => `${name} dead-letter-exchange: null → "amq.fanout"`),
      ].toSorted(),
    );
  });

  test('that reroute what no queue takes are found on the exchanges of the catalog alone', async () => {
    await using host = await openBroker();
    await host.setPolicy({ 'alternate-exchange': 'amq.fanout' }, { applyTo: 'exchanges' });
    expect(outline(await host.untilFound(topology.exchanges.length))).toEqual(
      topology.exchanges.map(({ name }) => `${name} alternate-exchange: null → "amq.fanout"`).toSorted(),
    );
  });

  test('that change nothing of what the catalog says are no difference', async () => {
    await using host = await openBroker();
    await host.setPolicy({ 'max-length-bytes': 2 ** 40, 'delivery-limit': 2_000_000 });
    await host.setOperatorPolicy({ 'max-length': 1 }, { pattern: '^foreign' });
    await expect(host.untilFound(0)).resolves.toEqual([]);
  });
});

describe.concurrent('a limit of the virtual host', () => {
  test.each([
    { name: 'max-queues', tooLow: topology.queues.length + 1, enough: topology.queues.length + 2 },
    { name: 'max-connections', tooLow: 2, enough: 100 },
  ])('$name differs when it leaves no room, and is listed when it does', async ({ name, tooLow, enough }) => {
    await using host = await openBroker();
    await host.management('PUT', `vhost-limits/${host.name}/${name}`, { value: tooLow });
    const [finding] = await host.untilFound(1);
    expect(finding).toMatchObject({ kind: 'different', object: { type: 'limit', name }, actual: tooLow });
    expect(finding?.wayOut).toContain('set_vhost_limits');
    await host.management('PUT', `vhost-limits/${host.name}/${name}`, { value: enough });
    expect(await host.untilFound(0)).toMatchObject([{ kind: 'extra', harmless: true, actual: enough }]);
  });
});
