import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { historyFromJSON } from '@temporalio/common/lib/proto-utils.js';
import { expect, inject, onTestFinished, test } from 'vitest';
import { silenceReplay } from '../../cli/replay-gate/silence-replay.ts';
import { findHistories, historiesDirectory } from './histories.ts';
import { replayHistories } from './replay-histories.ts';

const good = await readFile(join(historiesDirectory, 'runs-on.json'), 'utf8');
const parsed = JSON.parse(good) as { events: Record<string, unknown>[] };

async function folderOf(files: Record<string, string | Buffer>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'histories-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content);
  return folder;
}

test.each<[what: string, content: string | Buffer, why: RegExp]>([
  ['nothing', '', /it is empty/],
  ['blanks', ' \n', /it is empty/],
  ['no JSON', 'events:', /it is not JSON/],
  ['half of a history', good.slice(0, good.length / 2), /it is not JSON/],
  ['bytes', Buffer.from([0x0a, 0x96, 0x01, 0x08, 0x01, 0xff]), /it is not JSON/],
  ['a list', '[]', /no object/],
  ['another object', '{"a": 1}', /no list of "events"/],
  ['no event', '{"events": []}', /no event/],
  ['an event that is null', '{"events": [null]}', /event 1 has no "eventType"/],
  ["the SDK's objects", JSON.stringify(historyFromJSON(parsed)), /JSON\.stringify.*historyToJSON/],
  [
    'an unknown type of event',
    '{"events": [{"eventId": "1", "eventType": "EVENT_TYPE_NONSENSE"}]}',
    /holds no history/,
  ],
])('a file with %s is named with what is wrong, and the others still replay', async (_what, content, why) => {
  const folder = await folderOf({ 'bad.json': content, 'good.json': good });
  const { histories, unreadable } = await findHistories(folder);
  expect(histories.map(({ name }) => name)).toEqual(['good']);
  expect(unreadable).toEqual([
    { name: 'bad', problem: expect.stringMatching(/^bad\.json holds no history: .*temporal workflow show/) },
  ]);
  expect(unreadable[0]?.problem).toMatch(why);
});

test('a folder that is called like a file is named', async () => {
  const folder = await folderOf({ 'good.json': good });
  await mkdir(join(folder, 'odd.json'));
  const { histories, unreadable } = await findHistories(folder);
  expect(histories).toHaveLength(1);
  expect(unreadable[0]?.problem).toMatch(/^odd\.json holds no history: EISDIR/);
});

test("the wrapper of Temporal's HTTP API replays as the history in it", async () => {
  silenceReplay();
  const wrapped = JSON.stringify({ history: parsed, rawHistory: [], nextPageToken: '' });
  const { histories } = await findHistories(await folderOf({ 'wrapped.json': wrapped }));
  const differences = await replayHistories({ codePath: inject('workflowBundle') }, histories);
  expect([...differences]).toEqual([['wrapped', undefined]]);
});
