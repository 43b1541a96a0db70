import { randomUUID } from 'node:crypto';
import { beforeEach, expect, test, vi } from 'vitest';
import { hostJson, type HostJson } from '../../database/hosts/host-json.ts';
import { runInstances, startInstances } from '../support/command-line.ts';
import { insertInstanceOn, loseHost, registerHost } from '../support/hosts.ts';
import { useRig } from '../support/rig.ts';

const rig = useRig();

beforeEach(async () => {
  await rig.pool.query('delete from placements');
  await rig.pool.query('delete from hosts');
});

const run = (...args: string[]) => runInstances(['hosts', ...args], { DATABASE_URL: rig.environment.DATABASE_URL });
const listed = async (): Promise<HostJson[]> => hostJson.array().parse(JSON.parse((await run('list', '--json')).out));
const placedOn = async (hostId: string): Promise<string[]> => {
  const { rows } = await rig.pool.query<{ id: string }>('select instance_id as id from placements where host_id = $1', [
    hostId,
  ]);
  return rows.map(({ id }) => id);
};

test('list shows what is placed where, who serves it, and how long each lease holds, as lines and as JSON', async () => {
  const labels = { zone: 'a', disk: 'ssd' };
  const one = await registerHost(rig.pool, { name: 'worker-1', capacity: 10, labels, build: 'old' });
  await registerHost(rig.pool, { id: one, name: 'worker-1', capacity: 10, labels, build: 'new' });
  const two = await registerHost(rig.pool, { name: 'worker-2', runtime: 'docker' });
  await insertInstanceOn(rig.pool, one);
  await loseHost(rig.pool, two);

  const { code, out, errors } = await run('list', '--utc');
  expect({ code, errors }).toEqual({ code: 0, errors: '' });
  const [head = '', ...lines] = out.trimEnd().split('\n');
  expect(head).toMatch(/^ID +NAME +RUNTIME +PLACED +LEASE +WORKERS +LABELS +DRAIN$/);
  expect(lines).toEqual([
    expect.stringMatching(new RegExp(`^${one} +worker-1 +process +1/10 +holds for \\d+ min +2 \\(old, new\\) +disk=ssd,zone=a$`)), // prettier-ignore
    expect.stringMatching(new RegExp(`^${two} +worker-2 +docker +0 +lost since \\S+Z +0$`)),
  ]);

  expect(await listed()).toMatchObject([
    { id: one, labels, capacity: 10, placed: 1, lease: { holds: true }, workers: [{ build: 'old' }, { build: 'new' }], drain: null }, // prettier-ignore
    { id: two, labels: {}, capacity: null, placed: 0, lease: { holds: false }, workers: [], is_forgotten: false },
  ]);
});

test('without any host, list says what to start', async () => {
  expect(await run('list')).toEqual({ code: 0, out: '', errors: 'There is no host: start agents_worker.\n' });
  expect(await run('list', '--json')).toEqual({ code: 0, out: '[]\n', errors: '' });
});

test('a host is named by its name, its id, or the beginning of its id, and must be the only one', async () => {
  const [one, two] = ['aaaa1111-0000-4000-8000-000000000001', 'aaaa1111-0000-4000-8000-000000000002'];
  await registerHost(rig.pool, { id: one, name: 'both', runtime: 'process' });
  await registerHost(rig.pool, { id: two, name: 'both', runtime: 'docker' });
  for (const typed of [one.toUpperCase(), one]) {
    expect(await run('drain', typed)).toMatchObject({ code: 0, errors: '', out: 'The host both drains: drained.\n' });
    expect(await run('undrain', typed)).toMatchObject({ code: 0, errors: '' });
  }
  const choice = `${two} (both, docker), ${one} (both, process). Give the id of one.\n`;
  for (const typed of ['both', 'aaaa']) {
    expect(await run('drain', typed)).toEqual({ code: 1, out: '', errors: `Several hosts fit ${typed}: ${choice}` });
  }
  for (const action of ['drain', 'undrain', 'forget']) {
    const errors = 'No host has the id or name nowhere. See npx instances hosts list.\n';
    expect(await run(action, 'nowhere')).toEqual({ code: 1, out: '', errors });
  }
  expect((await listed()).map(({ drain }) => drain)).toEqual([null, null]);
});

test('a drain says how far it is and what waits, is repeated to change its pace, and is taken back', async () => {
  const host = await registerHost(rig.pool, { name: 'worker-1', labels: { zone: 'a' } });
  await registerHost(rig.pool, { name: 'worker-2' });
  const needsZone = await rig.publishAgent({ host_labels: { zone: 'a' } });
  for (const agent of [needsZone, needsZone, await rig.publishAgent()]) await insertInstanceOn(rig.pool, host, agent);

  const words = '3 left, 0 moving, 2 waiting, because no other host fits';
  expect(await run('drain', 'worker-1', '--at-once', '4')).toEqual({
    code: 0,
    out: `The host worker-1 drains: ${words}.\n`,
    errors: '',
  });
  expect((await run('list')).out).toContain(words);
  const [before] = await listed();
  expect(before?.drain).toMatchObject({ at_once: 4, left: 3, moving: 0, waiting: 2 });
  await run('drain', 'worker-1', '--at-once', '5');
  expect((await listed())[0]?.drain).toEqual({ ...before?.drain, at_once: 5 });

  expect(await run('undrain', 'worker-1')).toEqual({ code: 0, out: 'Instances are placed on the host worker-1 again.\n', errors: '' }); // prettier-ignore
  expect((await listed())[0]?.drain).toBeNull();
  expect(await run('drain', 'worker-1', '--at-once', '0')).toMatchObject({ code: 2 });
});

test('with --wait, a drain tells its progress until nothing is left', async () => {
  const host = await registerHost(rig.pool, { name: 'worker-1' });
  const agent = await rig.publishAgent();
  for (let count = 0; count < 2; count += 1) await insertInstanceOn(rig.pool, host, agent);
  const command = startInstances(['hosts', 'drain', 'worker-1', '--wait'], {
    DATABASE_URL: rig.environment.DATABASE_URL,
  });
  const told = (words: string) => vi.waitFor(() => expect(command.errors()).toContain(words), { timeout: 40_000 });
  await told('worker-1: 2 left, 0 moving, 2 waiting, because no other host fits.');
  await registerHost(rig.pool, { name: 'worker-2' });
  await told('worker-1: 2 left, 0 moving.');
  const [first = ''] = await placedOn(host);
  await rig.pool.query('insert into moves (instance_id, from_host_id) values ($1, $2)', [first, host]);
  await told('worker-1: 2 left, 1 moving.');
  await rig.pool.query('delete from moves');
  await rig.pool.query('delete from placements where instance_id = $1', [first]);
  await told('worker-1: 1 left, 0 moving.');
  await loseHost(rig.pool, host);
  await told('worker-1: 1 left, 0 moving; the host is lost, so nothing moves.');
  await rig.pool.query('delete from placements');
  expect(await command.exit).toBe(0);
  expect(command.out()).toBe(`The host worker-1 is drained. To place instances on it again: npx instances hosts undrain ${host}\n`); // prettier-ignore
});

test('a wait for a drain ends with its time, with an exit code of its own, and when somebody takes the drain back', async () => {
  const host = await registerHost(rig.pool, { name: 'worker-1' });
  await insertInstanceOn(rig.pool, host);
  expect(await run('drain', 'worker-1', '--timeout', '0.3')).toMatchObject({
    code: 4,
    errors: expect.stringMatching(/is not drained after 0\.3 s: 1 left, .*\. The drain goes on\.\n$/),
  });
  const command = startInstances(['hosts', 'drain', host, '--wait'], { DATABASE_URL: rig.environment.DATABASE_URL });
  await vi.waitFor(() => expect(command.errors()).toContain('1 left'), { timeout: 40_000 });
  await run('undrain', host);
  expect(await command.exit).toBe(1);
  expect(command.errors()).toContain('Somebody ended the drain of the host worker-1.');
});

test('a host whose lease holds is not forgotten; a lost one is, with the word of who forgets it', async () => {
  const host = await registerHost(rig.pool, { name: 'worker-1' });
  const id = await insertInstanceOn(rig.pool, host);
  const advice = `End its agents_worker, or move its instances with npx instances hosts drain ${host}.`;
  expect(await run('forget', 'worker-1')).toEqual({
    code: 1,
    out: '',
    errors: `The host worker-1 is not lost: its lease holds. ${advice}\n`,
  });
  expect(await listed()).toMatchObject([{ is_forgotten: false }]);

  await loseHost(rig.pool, host);
  expect(await run('forget', 'worker-1')).toEqual({
    code: 0,
    out: 'The host worker-1 is forgotten. 1 instance is placed on other hosts.\n',
    errors: 'You vouch that none of its agents runs any more: an instance whose agent does has two agents now.\n',
  });
  expect(await listed()).toMatchObject([{ id: host, is_forgotten: true, placed: 1 }]);
  expect((await run('list')).out).toMatch(/ forgotten /);
  expect(await placedOn(host)).toEqual([id]);
});

test('a name that would steer the terminal is shown, not obeyed', async () => {
  await registerHost(rig.pool, { name: `evil\u001B[2J\u202E${randomUUID()}`, labels: { zone: '\u0007' } });
  const { out } = await run('list');
  for (const character of ['\u0007', '\u001B', '\u202E']) expect(out).not.toContain(character);
});
