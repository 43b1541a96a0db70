import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { openAmqp } from '../../bridge/bus/connection.ts';
import { createControlQueues } from '../../bridge/control-plane/control-queues.ts';
import { applyTopology, checkTopology } from '../../bridge/topology-check/check-topology.ts';
import type { Finding } from '../../bridge/topology-check/findings.ts';
import { assertTopology, nameOf } from '../../bridge/bus/topology.ts';
import { controlQueueName } from '../../contracts/names.ts';
import { topology } from '../../contracts/topology.ts';
import { contractsCheck } from '../support/contracts-check.ts';
import { openVirtualHost } from '../support/virtual-host.ts';

const audit = 'admin_backend.audit';
const durable = { durable: true };
const onFatal = () => expect.unreachable('the account has every right');
const argumentsOf = (queue: string) => ({ ...topology.queues.find(({ name }) => name === queue)?.arguments });
const namesOf = (findings: readonly Finding[]) => findings.map(({ kind, object }) => `${kind} ${nameOf(object)}`);

describe.concurrent('a virtual host', () => {
  test('agrees as the engine makes it, with control queues and queues that go with their connection', async () => {
    await using host = await openVirtualHost();
    await assertTopology(host.channel, 'event_broker');
    const instanceId = randomUUID();
    const amqp = await openAmqp({ amqpUrl: host.amqpUrl, connectionName: 'agents_worker' });
    await createControlQueues(amqp, { onFatal }).open({ instanceId, agentId: randomUUID() });
    await amqp.close();
    for (const name of ['', 'of-a-connection']) {
      const { queue } = await host.channel.assertQueue(name, { exclusive: true });
      await host.channel.bindQueue(queue, 'events.topic', '#');
    }
    expect(await checkTopology(host)).toEqual([]);
  });

  test('that is empty misses everything; --apply creates it, says so, and then it agrees', async () => {
    await using host = await openVirtualHost();
    const environment = { AMQP_URL: host.amqpUrl, RABBITMQ_MANAGEMENT_URL: host.managementUrl };
    const before = await contractsCheck([], environment);
    expect(before.output).toMatch(
      /^missing {4}queue admin_backend\.audit: .*"x-delivery-limit":100.*none.*--apply\.$/m,
    );
    expect(before.output).toMatch(/^DIFFERS: 54 missing, 0 different, 0 extra \(0 harmless\)/m);
    expect(before.exitCode).toBe(1);

    const applied = await contractsCheck(['--apply'], environment);
    expect(applied.output.match(/^created/gm)).toHaveLength(54);
    expect(applied.output).toMatch(
      /^created {4}binding of queue admin_backend\.audit to events\.topic by "agent\.\*"$/m,
    );
    expect(applied.output).toMatch(/^AGREES: 0 missing/m);
    expect(applied.exitCode).toBe(0);

    const again = await contractsCheck(['--apply', '--json'], environment);
    expect(JSON.parse(again.output)).toMatchObject({ agrees: true, virtualHost: host.name, created: [], findings: [] });
    expect(again.exitCode).toBe(0);
  });

  test('names every property that differs; --apply leaves that alone and makes what does not hang on it', async () => {
    await using host = await openVirtualHost();
    await host.channel.assertExchange('agents.direct', 'topic', { durable: false });
    await host.channel.assertQueue(audit, { ...durable, arguments: { ...argumentsOf(audit), 'x-delivery-limit': 50 } });
    host.channel.sendToQueue(audit, Buffer.from('kept'));
    const environment = { AMQP_URL: host.amqpUrl, RABBITMQ_MANAGEMENT_URL: host.managementUrl };
    const { output, exitCode } = await contractsCheck(['--apply', '--json'], environment);
    const { counts, findings } = JSON.parse(output) as { counts: object; findings: Finding[] };
    expect(findings.filter(({ kind }) => kind === 'different')).toEqual([
      expect.objectContaining({
        object: { type: 'exchange', name: 'agents.direct' },
        property: 'type',
        catalog: 'direct',
        actual: 'topic',
      }),
      expect.objectContaining({
        object: { type: 'exchange', name: 'agents.direct' },
        property: 'durable',
        catalog: true,
        actual: false,
      }),
      expect.objectContaining({
        object: { type: 'queue', name: audit },
        property: 'x-delivery-limit',
        catalog: 100,
        actual: 50,
        wayOut: expect.stringMatching(/Move its messages away and delete it.*--apply/) as string,
      }),
    ]);
    expect(namesOf(findings.filter(({ kind }) => kind !== 'different'))).toEqual([
      `missing binding of queue ${audit} to events.topic by "agent.*"`,
      `missing binding of queue ${audit} to events.topic by "instance.*"`,
      `missing binding of queue ${audit} to events.topic by "rollout.*"`,
      `missing binding of queue ${audit} to events.topic by "deployment.*"`,
      `missing binding of queue ${audit} to events.sent_again by "${audit}"`,
    ]);
    expect(counts).toEqual({ missing: 5, different: 3, extra: 0, harmless: 0 });
    expect(exitCode).toBe(1);
    expect(await host.channel.checkQueue(audit)).toMatchObject({ messageCount: 1 });
  });

  test('differs where a queue of the catalog goes with its connection', async () => {
    await using host = await openVirtualHost();
    await host.channel.assertQueue(audit, { ...durable, exclusive: true });
    const findings = await checkTopology(host);
    const ofQueue = findings.filter(({ object }) => nameOf(object) === `queue ${audit}`);
    expect(ofQueue.map(({ kind }) => kind)).not.toContain('missing');
    expect(ofQueue).toContainEqual(
      expect.objectContaining({ kind: 'different', property: 'exclusive', catalog: false, actual: true }),
    );
  });

  test('may hold foreign exchanges and queues, also bound to those of the catalog', async () => {
    await using host = await openVirtualHost();
    await assertTopology(host.channel, 'event_broker');
    await host.channel.assertExchange('foreign', 'fanout', durable);
    await host.channel.assertQueue('foreign', durable);
    await host.channel.bindQueue('foreign', 'foreign', '');
    await host.channel.bindQueue('foreign', 'events.topic', 'agent.*');
    const findings = await checkTopology(host);
    expect(namesOf(findings)).toEqual([
      'extra exchange foreign',
      'extra queue foreign',
      'extra binding of queue foreign to events.topic by "agent.*"',
    ]);
    expect(findings.every(({ harmless }) => harmless)).toBe(true);
    const environment = { AMQP_URL: host.amqpUrl, RABBITMQ_MANAGEMENT_URL: host.managementUrl };
    const { output, exitCode } = await contractsCheck([], environment);
    expect(output).toMatch(/^AGREES: 0 missing, 0 different, 3 extra \(3 harmless\)/m);
    expect(exitCode).toBe(0);
  });

  test('differs where something else flows into an exchange or queue of the catalog', async () => {
    await using host = await openVirtualHost();
    await assertTopology(host.channel, 'event_broker');
    await host.channel.bindQueue(audit, 'events.topic', '#');
    await host.channel.bindQueue(audit, 'amq.topic', 'agent.*');
    await host.channel.bindQueue(audit, 'events.topic', 'agent.*', { twice: true });
    await host.channel.bindExchange('events.topic', 'amq.topic', '#');
    const findings = await checkTopology(host);
    expect(namesOf(findings).toSorted()).toEqual([
      'extra binding of exchange events.topic to amq.topic by "#"',
      `extra binding of queue ${audit} to amq.topic by "agent.*"`,
      `extra binding of queue ${audit} to events.topic by "#"`,
      `extra binding of queue ${audit} to events.topic by "agent.*" with {"twice":true}`,
    ]);
    expect(findings.some(({ harmless }) => harmless)).toBe(false);
  });

  test('differs where a control queue is not as the engine makes it, which --apply leaves to the engine', async () => {
    await using host = await openVirtualHost();
    await assertTopology(host.channel, 'event_broker');
    const instanceId = randomUUID();
    const name = controlQueueName(instanceId);
    await host.channel.assertQueue(name, { ...durable, arguments: { 'x-queue-type': 'classic', 'x-max-length': 64 } });
    await host.channel.bindQueue(name, 'agents.direct', instanceId);
    await host.channel.bindQueue(name, 'agents.direct', 'no-agent');
    await host.channel.assertQueue('instance.nobody.control', durable);
    const onCreated = () => expect.unreachable('the engine makes control queues');
    const findings = await applyTopology({ ...host, settleMs: 1, onCreated });
    const mismatches = findings.filter(({ harmless }) => !harmless);
    expect(mismatches.map(({ kind, object, property }) => [kind, property ?? nameOf(object)])).toEqual([
      ['missing', `binding of queue ${name} to agents.direct by "<agent_id>"`],
      ['different', 'x-overflow'],
      ['different', 'x-expires'],
      ['extra', `binding of queue ${name} to agents.direct by "no-agent"`],
    ]);
    expect(mismatches[0]?.wayOut).toContain('Stop the instance and start it again');
    expect(namesOf(findings.filter(({ harmless }) => harmless))).toEqual(['extra queue instance.nobody.control']);
  });

  test('agrees while a control queue is being made', async () => {
    await using host = await openVirtualHost();
    await assertTopology(host.channel, 'event_broker');
    const instanceId = randomUUID();
    const agentId = randomUUID();
    const amqp = await openAmqp({ amqpUrl: host.amqpUrl, connectionName: 'agents_worker' });
    const queues = createControlQueues(amqp, { onFatal });
    const name = controlQueueName(instanceId);
    await queues.open({ instanceId, agentId });
    await host.channel.unbindQueue(name, 'agents.direct', agentId);
    const checked = checkTopology({ ...host, settleMs: 10_000 });
    await queues.open({ instanceId, agentId });
    expect(await checked).toEqual([]);
    await amqp.close();
  });
});
