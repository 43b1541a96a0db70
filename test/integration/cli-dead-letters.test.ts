import { afterEach, beforeAll, expect, test, vi } from 'vitest';
import { deadLetterJson, inspectedLetterJson, type DeadLetterJson } from '../../bridge/dead-letters/letter-json.ts';
import { exchangeNames } from '../../contracts/names.ts';
import { runInstances } from '../support/command-line.ts';
import { useRig, type Rig } from '../support/rig.ts';

const origin = 'agents_worker.instance';
const queue = 'agents_worker.instance.dead';
const patience = { timeout: 20_000 };

// A sweep would mend what a dead letter has left undone.
const rig = useRig({ settings: { SWEEP_INTERVAL_SECONDS: '86400' } });
let worker: Awaited<ReturnType<Rig['startAgentsWorker']>>;

beforeAll(async () => {
  const broker = await rig.startEventBroker();
  worker = await rig.startAgentsWorker();
  await Promise.all([broker.ready(), worker.ready()]);
});
afterEach(() => rig.bus.channel.purgeQueue(queue));

const run = (...args: string[]) => runInstances(['dead-letters', ...args], rig.environment);

async function list(...args: string[]): Promise<DeadLetterJson[]> {
  const { code, out } = await run('list', '--json', ...args);
  expect(code).toBe(0);
  const json: unknown = JSON.parse(out);
  const letters = deadLetterJson.array().parse(json);
  expect(letters, 'the schema knows every field').toEqual(json);
  return letters;
}

/** Waits until so many letters are there. */
const listed = (count: number) =>
  vi.waitFor(async () => {
    const letters = await list();
    expect(letters).toHaveLength(count);
    return letters;
  }, patience);

/** What no consumer understands, published as an event: agents_worker dead-letters it. */
async function publishBroken(...contents: string[]): Promise<DeadLetterJson[]> {
  for (const content of contents) {
    const options = { type: 'instance.updated', messageId: `letter of ${content}` };
    await rig.bus.publish(exchangeNames.events, 'instance.updated', content, options);
  }
  return listed(contents.length);
}

/** A new instance whose `instance.created` died before agents_worker took it in. */
async function insertUnheard(): Promise<string> {
  const agentId = await rig.publishAgent();
  await worker.stop();
  const id = await rig.insertInstance(agentId);
  const created = await vi.waitFor(async () => {
    const message = await rig.bus.channel.get(origin, { noAck: true });
    if (!message || message.properties.type !== 'instance.created') throw new Error('no instance.created');
    return message;
  }, patience);
  const { headers, messageId, type } = created.properties as { headers: object; messageId: string; type: string };
  await rig.bus.publish(exchangeNames.deadLetters, origin, created.content.toString('utf8'), {
    headers: { ...headers, dead_letter_reason: 'a version that is unknown' },
    messageId,
    type,
  });
  worker = await rig.startAgentsWorker();
  await worker.ready();
  return id;
}

test('a letter that is sent again is handled by its consumer, and is then no longer there to be sent', async () => {
  const id = await insertUnheard();
  const stuck = await runInstances(['explain', id], rig.environment);
  expect(stuck.out).toContain('agents_worker could not take in #1 (a version that is unknown)');
  const [letter, ...others] = await list('--instance', id);
  expect(others).toEqual([]);
  expect(letter).toMatchObject({ queue, origin_queue: origin, type: 'instance.created', subject: id, sequence: 1 });
  const letterId = letter?.id ?? '';

  expect(await run('send', letterId)).toEqual({ code: 0, out: `The letter ${letterId} was sent again.\n`, errors: '' });
  await rig.bus.until(id, 'instance.updated', 'running');
  expect(await run('send', letterId)).toEqual({
    code: 1,
    out: '',
    errors: `There is no dead letter ${letterId}. See npx instances dead-letters list.\n`,
  });
});

test('a letter that is no event of the log is refused, and stays in its place', async () => {
  const [first, second] = await publishBroken('one', 'two');
  const letterId = first?.id ?? '';
  expect(await run('send', letterId)).toEqual({
    code: 1,
    out: '',
    errors: `The letter ${letterId} is refused: it has no header cloudEvents:id, which every event has. It stays where it is.\n`,
  });
  const back = await listed(2);
  expect(back.map(({ id: each }) => each)).toEqual([letterId, second?.id]);
  const { out } = await run('show', letterId, '--json');
  expect(inspectedLetterJson.parse(JSON.parse(out)).headers).toHaveProperty('dead_letter_reason');
});

test('all letters of a queue are sent once; those that are refused stay, and are counted', async () => {
  const [broken] = await publishBroken('one');
  const id = await insertUnheard();
  const [letter] = await list('--instance', id);
  expect(await run('send', '--all', '--queue', 'admin_backend.audit')).toEqual({
    code: 0,
    out: '',
    errors: 'There is no dead letter.\n',
  });
  const sent = await run('send', '--all', '--queue', queue);
  expect(sent).toMatchObject({ code: 1, out: `The letter ${letter?.id} was sent to ${origin}.\n` });
  expect(sent.errors).toMatch(new RegExp(`^The letter ${broken?.id} is refused: .*\\n1 of 2 letters were not sent\\.`));
  await rig.bus.until(id, 'instance.updated', 'running');
  expect(await listed(1)).toMatchObject([{ id: broken?.id }]);
});

test('letters are listed on one line each, and one is shown with its headers and its body', async () => {
  const [letter] = await publishBroken('hello', 'world');
  const { code, out, errors } = await run('list', '--limit', '1');
  expect({ code, errors }).toEqual({ code: 0, errors: `Not looked at: 1 of the 2 messages in ${queue}.\n` });
  const [head, line, ...more] = out.trim().split('\n');
  expect(head).toMatch(/^LETTER +QUEUE +MESSAGE +TIME +SUBJECT +SIZE +REASON$/);
  expect(line).toMatch(new RegExp(`^${letter?.id} +${origin} +instance.updated +unknown +5 B +headers: `));
  expect(more).toEqual([]);

  const shown = await run('show', letter?.id ?? '');
  expect(shown).toMatchObject({ code: 0, errors: '' });
  expect(shown.out).toMatch(/^message +instance.updated, letter of hello$/m);
  expect(shown.out).toMatch(/^dead_letter_routing_key +instance.updated$/m);
  expect(shown.out).toMatch(/\nbody\nhello\n$/);
  expect(await list()).toHaveLength(2);
});

test('without RabbitMQ, each command says what to do', async () => {
  for (const args of [['list'], ['show', '0123456789abcdef'], ['send', '--all']]) {
    const away = await runInstances(['dead-letters', ...args], { AMQP_URL: 'amqp://127.0.0.1:1' });
    expect(away).toMatchObject({ code: 1, out: '' });
    expect(away.errors).toMatch(/^RabbitMQ at 127\.0\.0\.1:1 cannot be used: .* Start it, or correct AMQP_URL\.\n$/);
  }
});

test.each([
  [['send'], 'Give the id of a letter, or --all.'],
  [['send', '0123456789abcdef', '--all'], 'Give the id of a letter, or --all.'],
  [['show', 'a letter'], '16 hexadecimal digits'],
  [['list', '--queue', 'nobodys'], 'It must be one of agents_worker.instance.dead, '],
  [[], 'Usage: instances dead-letters'],
])('%j is wrong usage', async (args, says) => {
  const wrong = await run(...args);
  expect(wrong.code).toBe(2);
  expect(wrong.errors).toContain(says);
});
