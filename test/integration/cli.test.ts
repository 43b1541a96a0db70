import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { noteRunningStart } from '../../configuration/running-start.ts';
import { runInstances, startInstances } from '../support/command-line.ts';
import { one, useRig } from '../support/rig.ts';

const rig = useRig({ services: ['event_broker', 'agents_worker'] });
let agentId: string;
let directory: string;

beforeAll(async () => {
  agentId = await rig.publishAgent();
  directory = await mkdtemp(join(tmpdir(), 'cli-'));
});

afterAll(() => rm(directory, { recursive: true, force: true }));

/** Loading the command takes a second or two, more on a busy machine. */
const patience = { timeout: 40_000, interval: 50 };

const run = (...args: string[]) => runInstances(args, rig.environment);
/** With the database alone: most commands need nothing else. */
const runOnDatabase = (...args: string[]) => runInstances(args, { DATABASE_URL: rig.environment.DATABASE_URL });

const rowOf = async (id: string) => {
  const { rows } = await rig.pool.query<Record<string, unknown>>('select * from instances where id = $1', [id]);
  return one(rows);
};

test('an instance is created by the name of its agent, stopped, started and deleted, each until it is so', async () => {
  await rig.pool.query("insert into agents (name, version, runtime) select 'by name', '1', runtime from agents where id = $1", [agentId]); // prettier-ignore
  const user = randomUUID();
  const created = await runOnDatabase('create', 'by name', '--config', '{"a": 1}', '--user', user, '--wait');
  expect(created).toMatchObject({ code: 0, errors: 'The instance is running.\n' });
  const id = created.out.trim();
  expect(await rowOf(id)).toMatchObject({ status: 'running', config: { a: 1 }, user_id: user });

  expect(await runOnDatabase('stop', id.slice(0, 8), '--wait')).toEqual({
    code: 0,
    out: `The instance ${id} is stopped.\n`,
    errors: '',
  });
  expect(await rig.processes(id)).toHaveLength(0);
  expect(await runOnDatabase('start', id, '--wait')).toMatchObject({
    code: 0,
    out: `The instance ${id} is running.\n`,
  });
  expect(await rig.processes(id)).toHaveLength(1);
  const deleted = await runOnDatabase('delete', id, '--wait');
  expect(deleted).toMatchObject({ code: 0, out: `The instance ${id} is deleted and cleaned up.\n` });
  expect(await rig.processes(id)).toHaveLength(0);
});

test('a config comes from a file, and an instance may begin stopped', async () => {
  const file = join(directory, 'config.json');
  await writeFile(file, '{"from": "file"}');
  const created = await runOnDatabase('create', agentId.slice(0, 13), '--config', `@${file}`, '--stopped', '--wait');
  expect(created).toMatchObject({ code: 0, errors: 'The instance is stopped.\n' });
  expect(await rowOf(created.out.trim())).toMatchObject({ config: { from: 'file' }, desired_state: 'stopped' });
});

test('list filters, limits, and prints the same as JSON', async () => {
  const agent = await rig.publishAgent();
  const ids = [await rig.insertInstance(agent), await rig.insertInstance(agent)];
  for (const id of ids) await rig.bus.until(id, 'instance.updated', 'running');

  const all = await runOnDatabase('list', '--agent', agent, '--utc');
  expect(all).toMatchObject({ code: 0, errors: '' });
  const [head = '', ...lines] = all.out.trim().split('\n');
  expect(head).toMatch(/^ID +STATUS +WANTED +GENERATION +AGENT +USER +UPDATED +REASON$/);
  expect(lines.map((line) => line.slice(0, 36))).toEqual(ids.toReversed());
  expect(new Set(lines.map((line) => line.indexOf('running')))).toEqual(new Set([head.indexOf('STATUS')]));

  const json = await runOnDatabase('list', '--agent', agent, '--json', '--limit', '1', '--status', 'running');
  expect(JSON.parse(json.out)).toEqual([expect.objectContaining({ id: ids[1], status: 'running', generation: 1, agent_id: agent })]); // prettier-ignore
  expect(json.errors).toContain('There are more than these 1');
  const { user_id: user } = await rowOf(ids[0] as string);
  const ofUser = await runOnDatabase('list', '--user', String(user), '--json');
  expect((JSON.parse(ofUser.out) as { id: string }[]).map(({ id }) => id)).toEqual([ids[0]]);
  expect(await runOnDatabase('list', '--agent', agent, '--status', 'failed')).toEqual({
    code: 0,
    out: '',
    errors: 'No instance fits.\n',
  });
});

test('a failed instance is tried again on request, and the exit code tells how that went', async () => {
  const program = join(directory, 'late.sh');
  const fragile = await rig.publishAgent({ command: [program] });
  const created = await run('create', fragile, '--wait');
  expect(created).toMatchObject({ code: 3, errors: expect.stringMatching(/failed: spec_rejected: .*late\.sh/) });
  const id = created.out.trim();
  expect(await run('start', id)).toMatchObject({
    code: 1,
    errors: expect.stringContaining(`npx instances retry ${id}`),
  });
  expect(await run('retry', id, '--wait')).toMatchObject({ code: 3, out: '' });
  await writeFile(program, '#!/bin/sh\nexec sleep 1000\n', { mode: 0o755 });
  expect(await run('retry', id, '--wait')).toMatchObject({ code: 0, out: `The instance ${id} is running.\n` });
  const sentence = 'there is nothing to try again.';
  expect(await run('retry', id)).toMatchObject({ code: 1, errors: expect.stringContaining(`is running, not failed: ${sentence}`) }); // prettier-ignore
  await runOnDatabase('stop', id, '--wait');
  expect(await run('retry', id)).toMatchObject({ code: 1, errors: expect.stringContaining(`is stopped, not failed: ${sentence} To run it: npx instances start ${id}.`) }); // prettier-ignore
});

test('a timeout asks for a wait, which says at its end how far it came, with an exit code of its own', async () => {
  const never = await rig.publishAgent({ ready: 'file', ready_timeout_seconds: 300 });
  const created = await run('create', never, '--timeout', '1');
  expect(created).toMatchObject({
    code: 4,
    errors: expect.stringMatching(/is not running after 1 s\. It is pending\./),
  });
});

test('no instance is created of an agent that is not published or is retired, and the answer says what to do', async () => {
  const unknown = randomUUID();
  expect(await runOnDatabase('create', unknown)).toEqual({
    code: 1,
    out: '',
    errors: `There is no agent ${unknown}. Publish it first (see examples/README.md).\n`,
  });
  const retired = await rig.publishAgent();
  await rig.pool.query('update agents set retired_at = now() where id = $1', [retired]);
  expect(await runOnDatabase('create', retired)).toEqual({
    code: 1,
    out: '',
    errors: `The agent ${retired} is retired. Publish it again, or choose another agent.\n`,
  });
  const { rows } = await rig.pool.query('select from instances where agent_id = any ($1)', [[unknown, retired]]);
  expect(rows).toHaveLength(0);
});

test('ids that fit none or several instances are refused with a sentence', async () => {
  const unknown = randomUUID();
  const twins = ['fedcba98-0000-4000-8000-000000000001', 'fedcba98-0000-4000-8000-000000000002'];
  for (const id of twins) {
    await rig.pool.query('insert into instances (id, agent_id, user_id) values ($1, $2, $2)', [id, agentId]);
  }
  const refusals = [
    ...['stop', 'start', 'retry', 'delete'].map(
      (command) => [command, unknown, `There is no instance ${unknown}.`] as const,
    ),
    ['delete', 'fedcba98', `Several instances begin with fedcba98: ${twins.join(', ')}.`],
  ] as const;
  for (const [command, id, sentence] of refusals) {
    const refused = await runOnDatabase(command, id);
    expect(refused).toMatchObject({ code: 1, out: '', errors: expect.stringContaining(sentence) });
    expect(refused.errors.trim().split('\n')).toHaveLength(1);
  }
  expect(await run('create', 'no such agent')).toMatchObject({ code: 1, errors: expect.stringContaining('No agent has the id or name') }); // prettier-ignore
});

test.each([
  [['stop', 'abc'], 'first four characters'],
  [['stop', 'not-an-id'], 'An id is a UUID'],
  [['create', 'x', '--config', '[1]'], 'It must be a JSON object'],
  [['create', 'x', '--config', '@/no/such/file'], 'ENOENT'],
  [['create', 'x', '--user', 'me'], 'must be a UUID'],
  [['list', '--status', 'happy'], 'Allowed choices are pending, running, failed, stopped'],
  [['list', '--limit', '0'], 'whole number'],
  [['retry'], "missing required argument 'id'"],
  [['list', '--colour'], "unknown option '--colour'"],
])('wrong usage is refused before anything is tried: %j', async (args, sentence) => {
  expect(await runInstances(args, {})).toMatchObject({ code: 2, out: '', errors: expect.stringContaining(sentence) });
});

test('a server that is not set, or away, is named with what to do', async () => {
  const nowhere = { STACK_DIRECTORY: directory };
  const unset = await runInstances(['list'], nowhere);
  expect(unset).toMatchObject({ code: 1, errors: expect.stringMatching(/^DATABASE_URL is required.*npm start/) });
  const away = await runInstances(['list'], { DATABASE_URL: 'postgres://a:secret@127.0.0.1:1/b' });
  expect(away).toMatchObject({ code: 1, errors: expect.stringContaining('PostgreSQL at 127.0.0.1:1 cannot be used') });
  expect(away.errors).not.toContain('secret');
  const bus = await runInstances(['watch'], { AMQP_URL: 'amqp://127.0.0.1:1' });
  expect(bus).toMatchObject({ code: 1, errors: expect.stringContaining('RabbitMQ at 127.0.0.1:1 cannot be used') });
});

test('without settings, the servers of a running npm start are used', async () => {
  const forget = await noteRunningStart(directory, rig.configuration);
  expect(await runInstances(['list', '--limit', '1'], { STACK_DIRECTORY: directory })).toMatchObject({ code: 0 });
  await forget();
  expect(await runInstances(['list'], { STACK_DIRECTORY: directory })).toMatchObject({ code: 1 });
});

test('watch prints the events of one instance as they arrive, until it is interrupted', async () => {
  const id = await rig.insertInstance(agentId);
  const watch = (...args: string[]) => startInstances(['watch', ...args], { AMQP_URL: rig.environment.AMQP_URL });
  await rig.bus.until(id, 'instance.updated', 'running');
  const [json, words] = [watch(id, '--json'), watch('--utc')];
  for (const { errors } of [json, words]) await vi.waitFor(() => expect(errors()).toContain('Ctrl-C'), patience);
  const other = await rig.insertInstance(agentId);
  await rig.bus.until(other, 'instance.updated', 'running');
  await rig.deleteInstance(id);
  await vi.waitFor(() => expect(json.out()).toContain('"stopped"'), patience);
  const lines = json.out().trim().split('\n');
  expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
    expect.objectContaining({ type: 'instance.deleted', subject: id, sequence: 3 }),
    expect.objectContaining({ type: 'instance.updated', subject: id, sequence: 4, body: expect.objectContaining({ status: 'stopped' }) }), // prettier-ignore
  ]);
  await vi.waitFor(
    () => expect(words.out()).toMatch(new RegExp(`instance.updated +${other}  #2 running, generation 1 of 1`)),
    patience,
  );
  for (const { interrupt } of [json, words]) interrupt();
  expect(await Promise.all([json.exit, words.exit])).toEqual([0, 0]);
});

test('as a process of its own it hands its exit code on, writes no colours to a pipe, and bears a reader that stops', async () => {
  await rig.insertInstance(agentId);
  const [wrong, listed, cut] = [['frobnicate'], ['list'], ['list']].map((args) =>
    startInstances(args, rig.environment),
  );
  cut?.closeOutput();
  expect(await Promise.all([wrong?.exit, listed?.exit, cut?.exit])).toEqual([2, 0, 0]);
  expect(wrong?.errors()).toContain("unknown command 'frobnicate'");
  expect(listed?.out()).toMatch(/^ID +STATUS /);
  expect(listed?.out()).not.toContain('\u001B');
  expect(cut?.errors()).toBe('');
});
