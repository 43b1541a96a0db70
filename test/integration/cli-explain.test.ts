import { randomUUID } from 'node:crypto';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, expect, test, vi } from 'vitest';
import { exchangeNames, queueNames } from '../../contracts/names.ts';
import { deadLetterQueueOf } from '../../contracts/topology.ts';
import { explanation, type Explanation } from '../../explain/explanation.ts';
import { runInstances, startInstances } from '../support/command-line.ts';
import { loseHost, registerHost } from '../support/hosts.ts';
import { killAgent } from '../support/process-agents.ts';
import { useRig } from '../support/rig.ts';

const rig = useRig({ services: ['event_broker', 'agents_worker'] });
let agentId: string;

beforeAll(async () => {
  agentId = await rig.publishAgent();
});

const patience = { timeout: 40_000, interval: 50 };

async function explain(id: string, environment: Record<string, string> = {}): Promise<Explanation> {
  const { code, out, errors } = await runInstances(['explain', id, '--json'], { ...rig.environment, ...environment });
  expect({ code, errors }).toEqual({ code: 0, errors: '' });
  const json: unknown = JSON.parse(out);
  const explained = explanation.parse(json);
  expect(explained, 'the schema knows every field').toEqual(json);
  return explained;
}

const textsOf = ({ timeline }: Explanation, from: string) =>
  timeline.filter(({ source }) => source === from).map(({ text }) => text);

const running = async (agent = agentId) => {
  const id = await rig.insertInstance(agent);
  await rig.bus.until(id, 'instance.updated', 'running');
  // The broker marks an entry as published a moment after it published it.
  await vi.waitFor(async () => {
    const { rows } = await rig.pool.query('select from event_log where entity_id = $1 and published_at is null', [id]);
    expect(rows).toEqual([]);
  }, patience);
  return id;
};

test('the life of a running instance is one timeline of row, workflow and runtime', async () => {
  const id = await running();
  const [pid] = await rig.processes(id);
  const found = await vi.waitFor(async () => {
    const explained = await explain(id.slice(0, 12));
    expect(textsOf(explained, 'row')[1]).toContain('published after');
    // The row is written a moment before Temporal hears that it was.
    expect(textsOf(explained, 'workflow').at(-1)).toBe('search attribute InstanceStatus running');
    return explained;
  }, patience);
  expect(found).toMatchObject({
    instance_id: id,
    missing: [],
    row: { status: 'running' },
    runs_as: `process ${pid}`,
    runtime: { pid, generation: 1 },
  });
  expect(found.verdict).toEqual({
    state: 'running',
    sentence: expect.stringMatching(new RegExp(`^running generation 1 since \\S+Z as process ${pid}\\.$`)),
  });
  expect(textsOf(found, 'row')).toEqual([
    expect.stringMatching(
      /^#1 instance.created: status pending, desired state running, generation 1, .*; published after \d+ ms$/,
    ),
    expect.stringMatching(
      /^#2 instance.updated: status pending → running, observed generation 0 → 1, running version none → 1; caused by #1; published after \d+ ms$/,
    ),
  ]);
  const workflow = textsOf(found, 'workflow');
  expect(workflow).toContainEqual(expect.stringMatching(/^run \S+ started$/));
  expect(workflow).toContain('told: #1 of the row, desired state running, generation 1');
  const steps = `placed on host \\S+, then provisioned as runtime \\S+ \\(process ${pid}\\) on host \\S+, then running recorded`;
  expect(workflow).toContainEqual(expect.stringMatching(new RegExp(`^place done: ${steps} \\(.*, attempt 1\\)$`)));
  expect(textsOf(found, 'runtime')[0]).toContain(`agent running, process ${pid}, generation 1`);
  const times = found.timeline.map(({ time }) => time ?? '');
  expect(times).toEqual(times.toSorted());
});

test('in a terminal, every line has its time and source, and the verdict comes last', async () => {
  const id = await running();
  const { code, out } = await runInstances(['explain', id, '--utc'], rig.environment);
  expect(code).toBe(0);
  const [head, versions, where, ...lines] = out.trim().split('\n');
  const [pid] = await rig.processes(id);
  expect([head, versions, where]).toEqual([`instance ${id}`, 'version 1 runs', `runs as process ${pid}`]);
  expect(lines.at(-1)).toMatch(/^running generation 1 since /);
  for (const line of lines.slice(0, -2))
    expect(line).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z {2}(row|workflow|runtime) +\S/);
  const local = startInstances(['explain', id], { ...rig.environment, TZ: 'Asia/Tokyo' });
  expect(await local.exit).toBe(0);
  const [, , , first = ''] = local.out().split('\n');
  const utc = new Date(lines[0]?.slice(0, 24) ?? '').getTime();
  expect(new Date(`${first.slice(0, 23).replace(' ', 'T')}+09:00`).getTime()).toBe(utc);
});

test('a failure is explained by its reason, with what the agent printed and what to do', async () => {
  const script = 'until [ -e fire ]; do sleep 0.05; done; echo disk on fire; exit 7';
  const id = await running(await rig.publishAgent({ command: ['sh', '-c', script] }));
  await writeFile(join(rig.environment.RUNTIME_DIRECTORY, `instance-${id}`, 'state', 'fire'), '');
  await rig.bus.until(id, 'instance.updated', 'failed');
  const found = await explain(id);
  expect(found.verdict.state).toBe('failed');
  expect(found.verdict.sentence).toMatch(/^failed since \S+: agent_exited: The agent ended with exit code 7\. To try/);
  expect(textsOf(found, 'row').at(-1)).toMatch(/because of agent_exited: .*disk on fire$/);
  expect(found.verdict.sentence).toContain(`npx instances retry ${id}`);
  expect(textsOf(found, 'workflow')).toContainEqual(expect.stringMatching(/^told: runtime \S+ ended: .*exit code 7/s));
  expect(found.timeline.filter(({ bad }) => bad).map(({ source }) => source)).toContain('row');
});

test('an agent that ends and is started again shows its restart', async () => {
  const agent = await rig.publishAgent({ restart: { policy: 'on_failure', backoff_seconds: 0.2 } });
  const id = await running(agent);
  await killAgent(id);
  await rig.bus.until(id, 'instance.updated', 'pending');
  const found = await vi.waitFor(async () => {
    const explained = await explain(id);
    expect(explained.verdict.state).toBe('running');
    expect(textsOf(explained, 'workflow').filter((text) => text.includes('provisioned as runtime'))).toHaveLength(2);
    return explained;
  }, patience);
  expect(textsOf(found, 'workflow')).toContainEqual(expect.stringMatching(/^timer of \d+ ms is over$/));
  expect(textsOf(found, 'row').join('\n')).toMatch(/status running → pending.*; because of restarting: /);
});

test('a dead letter is told of and stays where it is, in its place', async () => {
  const id = await running();
  const others = [randomUUID(), randomUUID()];
  const letters = [others[0], id, others[1]];
  for (const subject of letters) {
    await rig.bus.publish(exchangeNames.events, 'instance.updated', JSON.stringify({ instance_id: subject }), {
      type: 'instance.updated',
      messageId: `letter of ${subject}`,
    });
  }
  const queue = deadLetterQueueOf(queueNames.agentsWorkerInstance);
  await vi.waitFor(async () => expect(await rig.bus.channel.checkQueue(queue)).toMatchObject({ messageCount: 3 }));

  for (let look = 1; look <= 2; look += 1) {
    const found = await explain(id);
    expect(textsOf(found, 'dead letter')).toEqual([
      expect.stringMatching(`^instance.updated \\(message letter of ${id}\\) is in ${queue}: headers: `),
    ]);
    expect(found.verdict.state).toBe('running');
  }
  await vi.waitFor(async () => expect(await rig.bus.channel.checkQueue(queue)).toMatchObject({ messageCount: 3 }));
  const kept: unknown[] = [];
  for (const _ of letters) {
    const message = await rig.bus.channel.get(queue, { noAck: true });
    kept.push(message && message.properties.messageId);
  }
  expect(kept).toEqual(letters.map((subject) => `letter of ${subject}`));
});

test('a deleted instance is still explained, also by the beginning of its id', async () => {
  const id = await running();
  await rig.deleteInstance(id);
  await rig.workflow(id).result();
  const found = await explain(id.slice(0, 10));
  expect(found.verdict).toMatchObject({
    state: 'deleted',
    sentence: expect.stringMatching(/^deleted; cleaned up since /),
  });
  expect(found).toMatchObject({ row: null, runtime: null });
  expect(textsOf(found, 'row')).toContainEqual(
    expect.stringMatching(/^#3 instance.deleted: deleted in status running/),
  );
  expect(textsOf(found, 'workflow').at(-1)).toBe('run completed: nothing is left to do');
});

test('a workflow that was terminated is told of, with what comes next', async () => {
  const id = await running();
  await rig.workflow(id).terminate('tried by hand');
  const found = await explain(id);
  expect(found.verdict.state).toBe('waiting');
  expect(found.verdict.sentence).toMatch(/^waiting for the sweeper .* but its workflow is TERMINATED\.$/);
  expect(found.timeline).toContainEqual(
    expect.objectContaining({ source: 'workflow', text: expect.stringMatching(/^run terminated by .*: tried by hand$/), bad: true }), // prettier-ignore
  );
});

test('an instance that cannot go on says what it waits for', async () => {
  const unknownAgent = randomUUID();
  const waiting = await rig.insertInstance(unknownAgent);
  await rig.bus.until(waiting, 'instance.updated', 'pending');
  expect((await explain(waiting)).verdict).toEqual({
    state: 'waiting',
    sentence: expect.stringContaining(`waiting for its agent: The agent ${unknownAgent} is not published yet.`),
  });
  const never = await rig.publishAgent({ ready: 'file', ready_timeout_seconds: 1 });
  const notReady = await rig.insertInstance(never);
  await vi.waitFor(async () => {
    const { verdict } = await explain(notReady);
    expect(verdict.state).toBe('waiting');
    expect(verdict.sentence).toMatch(
      /generation 1 to be running: provision failed \(provisioning_failed: .*\) and attempt \d/s,
    );
  }, patience);
});

test('a server that is away hides its part only', async () => {
  const id = await running();
  const nowhere = '127.0.0.1:1';
  const away = await explain(id, {
    AMQP_URL: `amqp://${nowhere}`,
    TEMPORAL_ADDRESS: nowhere,
    RUNTIME_DIRECTORY: '/no/such/folder',
  });
  expect(away.missing).toEqual([
    { part: 'dead letters', reason: expect.stringContaining(`RabbitMQ at ${nowhere} cannot be used`) },
    { part: 'workflow', reason: expect.stringContaining(`Temporal at ${nowhere} cannot be used`) },
    { part: 'runtime', reason: expect.stringContaining('run this on the host of agents_worker') },
  ]);
  expect(away.verdict.sentence).toMatch(/^running generation 1 since /);

  const withoutRow = await explain(id, { DATABASE_URL: `postgres://${nowhere}/b` });
  expect(withoutRow.missing).toEqual([expect.objectContaining({ part: 'row and event log' })]);
  expect(withoutRow.verdict.sentence).toContain('its workflow last said running; the row cannot be read');
  expect(textsOf(withoutRow, 'workflow')).toContainEqual(expect.stringMatching(/then running recorded/));

  const nobody = await runInstances(['explain', id], { DATABASE_URL: `postgres://${nowhere}/b` });
  expect(nobody).toMatchObject({ code: 1, errors: expect.stringContaining('No server could be asked.') });
  const abbreviated = await runInstances(['explain', id.slice(0, 8)], { ...rig.environment, DATABASE_URL: `postgres://${nowhere}/b` }); // prettier-ignore
  expect(abbreviated).toMatchObject({ code: 1, errors: expect.stringContaining('PostgreSQL at') });
});

test('an id that nobody has heard of is an error', async () => {
  const id = randomUUID();
  expect(await runInstances(['explain', id], rig.environment)).toMatchObject({
    code: 1,
    out: '',
    errors: expect.stringContaining(`Nothing is known of an instance ${id}.`),
  });
});

test('of an instance on another host, it says which, and whether that is lost, instead of describing this one', async () => {
  const here = await running();
  expect(await explain(here)).toMatchObject({
    host: { is_here: true, lease_holds: true },
    runtime: { phase: 'running' },
  });

  const host = await registerHost(rig.pool, { name: 'worker-9', runtime: 'process' });
  const { rows } = await rig.pool.query<{ host_id: string }>('select host_id from placements where instance_id = $1', [
    here,
  ]);
  const isOn = (id: string | undefined) =>
    rig.pool.query('update placements set host_id = $2 where instance_id = $1', [here, id]);
  const other = await mkdtemp(join(tmpdir(), 'another-folder-'));
  try {
    // The command runs on a machine whose folder is another host.
    const elsewhere = { RUNTIME_DIRECTORY: other };
    const found = await explain(here, elsewhere);
    expect(found).toMatchObject({
      host: { id: rows[0]?.host_id, is_here: false, lease_holds: true },
      runtime: null,
      missing: [],
    });
    expect(found.verdict).toEqual({ state: 'running', sentence: expect.stringMatching(/^running generation 1 since \S+ on the host \S+\.$/) }); // prettier-ignore
    expect(await readdir(other), 'a reader makes no identity').toEqual([]);

    await isOn(host);
    await loseHost(rig.pool, host);
    const lost = await explain(here, elsewhere);
    expect(lost).toMatchObject({ host: { id: host, name: 'worker-9', is_here: false, lease_holds: false } });
    expect(lost.verdict).toEqual({
      state: 'waiting',
      sentence: expect.stringMatching(new RegExp(`^waiting for its host worker-9, which is lost since \\S+Z: start agents_worker there again\\. If it is gone for good: npx instances hosts forget ${host}\\.$`)), // prettier-ignore
    });
    const { out } = await runInstances(['explain', here, '--utc'], { ...rig.environment, ...elsewhere });
    expect(out.split('\n')[1]).toMatch(
      new RegExp(`^placed on the host worker-9 \\(${host}\\): it is lost since \\S+Z$`),
    );
  } finally {
    await isOn(rows[0]?.host_id);
    await rig.pool.query('delete from hosts where id = $1', [host]);
    await rm(other, { recursive: true });
  }
});

test('of an instance that fits on no host, it says why, and where the hosts are listed', async () => {
  const id = await rig.insertInstance(await rig.publishAgent({ host_labels: { zone: 'nowhere' } }));
  const found = await vi.waitFor(async () => {
    const explained = await explain(id);
    expect(explained.row?.reason?.code).toBe('no_host');
    return explained;
  }, patience);
  expect(found.host).toBeNull();
  expect(found.verdict).toEqual({
    state: 'waiting',
    sentence: expect.stringMatching(/^waiting for a host: .*zone=nowhere.*\. To find one: npx instances hosts list shows them all\.$/), // prettier-ignore
  });
});

test('the rollout that moved an instance is named, and why the instance went back', async () => {
  const id = await running();
  const { pool } = rig;
  await pool.query(`update agents set version = '2' where id = $1`, [agentId]);
  const { rows } = await pool.query<{ id: string }>(
    `insert into rollouts (agent_id, version, desired_state) values ($1, '2', 'paused') returning id`,
    [agentId],
  );
  const rollout = rows[0]?.id ?? '';
  // Without the workflow of the rollout, whose functions are called here.
  await pool.query(
    `with moved as (update instances set agent_version = '2' where id = $1 returning generation)
     insert into rollout_instances (rollout_id, instance_id, wave, from_version, generation, seen_generation, judged, outcome, reverted_generation)
     select $2, $1, 1, '1', generation, generation, true, 'reverted', generation + 1 from moved`,
    [id, rollout],
  );
  await pool.query(`update rollouts set status = 'rolled_back', reason = $2 where id = $1`, [
    rollout,
    { code: 'canary_failed', message: `${randomUUID()}: it is of somebody else` },
  ]);
  await pool.query(`update instances set agent_version = '1' where id = $1`, [id]);
  const texts = textsOf(await explain(id), 'row');
  expect(texts).toContainEqual(
    expect.stringMatching(new RegExp(`agent version 1 → 2; moved by the rollout ${rollout} of version 2; `)),
  );
  expect(texts).toContainEqual(
    expect.stringMatching(
      new RegExp(
        `agent version 2 → 1; given its version back by the rollout ${rollout}, which went back, because an instance of its canary failed`,
      ),
    ),
  );
  expect(texts.join('\n')).not.toContain('it is of somebody else');
});
