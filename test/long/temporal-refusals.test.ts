import { randomUUID } from 'node:crypto';
import { Client, Connection } from '@temporalio/client';
import { afterAll, afterEach, beforeAll, expect, inject, test, vi } from 'vitest';
import { grpcCodes } from '../../bridge/signals/temporal-refusal.ts';
import { instanceWorkflowId, searchAttributeNames } from '../../contracts/names.ts';
import type { Service } from '../../workers/services/service.ts';
import { openGrpcGate, type GrpcGate } from '../support/grpc-gate.ts';
import { createNamespace, removeNamespace } from '../support/namespaces.ts';
import { openRig, type Rig } from '../support/rig.ts';
import { instanceStatusAttribute } from '../../workflows/search-attributes.ts';

let connection: Connection;
const closers: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  connection = await Connection.connect({ address: inject('servers').temporalAddress });
});
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});
afterAll(() => connection.close());

interface Engine {
  rig: Rig;
  worker: Service;
  agentId: string;
  namespace: string;
  gate: GrpcGate;
}

/** The engine in a namespace of its own, behind a gate, with nothing refused yet. */
async function startEngine(): Promise<Engine> {
  const servers = inject('servers');
  const namespace = await createNamespace(connection);
  closers.push(() => removeNamespace(connection, namespace).catch(() => undefined));
  const gate = await openGrpcGate(servers.temporalAddress);
  closers.push(() => gate.close());
  const rig = await openRig({ settings: { TEMPORAL_ADDRESS: gate.address, TEMPORAL_NAMESPACE: namespace } });
  closers.push(() => rig.close());
  const [broker, worker] = await Promise.all([rig.startEventBroker(), rig.startAgentsWorker()]);
  await Promise.all([broker.ready(), worker.ready()]);
  return { rig, worker, agentId: await rig.publishAgent(), namespace, gate };
}

/** What `/ready` answers, and why. */
async function readiness({ healthPort }: Service): Promise<{ status: number; reasons: string }> {
  const response = await fetch(`http://127.0.0.1:${healthPort}/ready`);
  const { parts } = (await response.json()) as { parts: { lastError?: string }[] };
  return { status: response.status, reasons: parts.map(({ lastError = '' }) => lastError).join('') };
}

const untilNotReady = (worker: Service, reason: string) =>
  vi.waitFor(
    async () => expect(await readiness(worker)).toEqual({ status: 503, reasons: expect.stringContaining(reason) }),
    { timeout: 40_000 },
  );

const untilReady = (worker: Service) =>
  vi.waitFor(async () => expect(await readiness(worker)).toEqual({ status: 200, reasons: '' }), { timeout: 30_000 });

const said = ({ rig }: Engine, text: string): number => rig.log.filter(({ msg }) => msg.includes(text)).length;

async function expectNothingDeadLettered({ rig }: Engine): Promise<void> {
  expect(await rig.bus.channel.get('agents_worker.instance.dead')).toBe(false);
}

const startNothing = (namespace: string) =>
  connection.workflowService.startWorkflowExecution({
    namespace,
    workflowId: randomUUID(),
    requestId: randomUUID(),
    workflowType: { name: 'none' },
    taskQueue: { name: 'nobody' },
  });

const starts = ['SignalWithStartWorkflowExecution', 'StartWorkflowExecution', 'SignalWorkflowExecution'];

test.each([
  ['a right', grpcCodes.permissionDenied, 'Request unauthorized.', 'Give the login of agents_worker the right'],
  ['a valid login', grpcCodes.unauthenticated, 'token expired', 'Give the login of agents_worker the right'],
  ['room for its data', grpcCodes.invalidArgument, 'Blob data size exceeds limit.', 'Raise that limit'],
])(
  'while Temporal refuses signals for the lack of %s, the health says so, messages are kept, and it goes on by itself',
  async (_, code, details, advice) => {
    const engine = await startEngine();
    const { rig, worker, agentId, gate } = engine;
    gate.refuse(starts, { code, details });
    const ids = [await rig.insertInstance(agentId), await rig.insertInstance(agentId)];
    await untilNotReady(worker, advice);
    await vi.waitFor(() => expect(said(engine, 'Temporal does not accept a call')).toBe(1));

    gate.open();
    for (const id of ids) await rig.bus.until(id, 'instance.updated', 'running');
    await untilReady(worker);
    expect(said(engine, 'Temporal does not accept a call')).toBe(1);
    expect(said(engine, 'Temporal accepts calls again')).toBe(1);
    await expectNothingDeadLettered(engine);
  },
  180_000,
);

test('the end of an agent that Temporal refuses to hear of makes the health red, and is told later', async () => {
  const { rig, worker, gate } = await startEngine();
  const agentId = await rig.publishAgent({ command: ['sh', '-c', 'sleep 100000; true'] });
  const id = await rig.insertInstance(agentId);
  await rig.bus.until(id, 'instance.updated', 'running');
  gate.refuse(starts, { code: grpcCodes.permissionDenied, details: 'Request unauthorized.' });
  for (const pid of await rig.processes(id)) process.kill(pid, 'SIGKILL');
  await untilNotReady(worker, 'Request unauthorized');
  gate.open();
  await rig.bus.until(id, 'instance.updated', 'failed');
  await untilReady(worker);
  expect(await rig.processes(id)).toEqual([]);
}, 180_000);

test('search attributes that are removed while it runs are registered again, and what waited for them goes on', async () => {
  const engine = await startEngine();
  const { rig, worker, agentId, namespace } = engine;
  const id = await rig.insertInstance(agentId);
  await rig.bus.until(id, 'instance.updated', 'running');
  // The workflow is at rest: Temporal needs up to a minute before an upsert finds an attribute that was registered again.
  const workflow = new Client({ connection, namespace }).workflow.getHandle(instanceWorkflowId(id));
  await vi.waitFor(async () => {
    const { typedSearchAttributes } = await workflow.describe();
    expect(typedSearchAttributes.get(instanceStatusAttribute)).toBe('running');
  });
  const { userId, status } = searchAttributeNames;
  await connection.operatorService.removeSearchAttributes({ namespace, searchAttributes: [userId, status] });

  const other = await rig.insertInstance(agentId);
  await rig.pool.query(`update instances set desired_state = 'stopped' where id = $1`, [id]);
  await rig.bus.until(other, 'instance.updated', 'running');
  await rig.bus.until(id, 'instance.updated', 'stopped');
  await untilReady(worker);
  expect(said(engine, `lacked were registered: ${status}, ${userId}`)).toBe(1);
  expect(rig.fatal).toEqual([]);
  await expectNothingDeadLettered(engine);
}, 180_000);

test('a search attribute that gets another type while it runs ends agents_worker, which says how to register it anew', async () => {
  const engine = await startEngine();
  const { rig, worker, agentId, namespace, gate } = engine;
  const { operatorService } = connection;
  const name = searchAttributeNames.userId;
  // agents_worker would register it again, as it was, between the two.
  gate.refuse(['AddSearchAttributes'], { code: grpcCodes.unavailable, details: 'not now' });
  await operatorService.removeSearchAttributes({ namespace, searchAttributes: [name] });
  await operatorService.addSearchAttributes({ namespace, searchAttributes: { [name]: 3 } });
  gate.open();
  const id = await rig.insertInstance(agentId);
  await vi.waitFor(() => expect(rig.fatal[0]?.message).toContain(`${name} is Int`), { timeout: 40_000 });
  expect(rig.fatal[0]?.message).toContain(`search-attribute create --namespace ${namespace} --name ${name}`);

  await worker.stop();
  await operatorService.removeSearchAttributes({ namespace, searchAttributes: [name] });
  await rig.startAgentsWorker();
  await rig.bus.until(id, 'instance.updated', 'running');
  await expectNothingDeadLettered(engine);
}, 180_000);

test('a namespace that is deprecated makes the health red with the way out, and messages are kept', async () => {
  const engine = await startEngine();
  const { rig, worker, agentId, namespace } = engine;
  await connection.workflowService.deprecateNamespace({ namespace });
  await untilNotReady(worker, `Temporal's namespace ${namespace} is deprecated`);
  // The part of the server that starts workflows learns of it later, and accepts starts until then.
  await vi.waitFor(() => expect(startNothing(namespace)).rejects.toThrow(/invalid state/i), { timeout: 20_000 });
  await rig.insertInstance(agentId);
  await untilNotReady(worker, 'TEMPORAL_NAMESPACE set to another namespace');
  await vi.waitFor(() => expect(said(engine, 'Temporal does not accept a call')).toBe(1));
  expect(said(engine, 'temporal_namespace cannot do its work')).toBe(1);
  await expectNothingDeadLettered(engine);
}, 180_000);

test('a namespace that is deleted ends agents_worker, which says what to do, and messages are kept', async () => {
  const engine = await startEngine();
  const { rig, agentId, namespace } = engine;
  await connection.operatorService.deleteNamespace({ namespace });
  await vi.waitFor(() => expect(rig.fatal[0]?.message).toContain(`Create the namespace ${namespace}`), {
    timeout: 40_000,
  });
  await rig.insertInstance(agentId);
  await rig.untilBusIsQuiet();
  await expectNothingDeadLettered(engine);
}, 180_000);
