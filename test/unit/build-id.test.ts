import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { buildIdPattern } from '../../contracts/names.ts';
import { buildIdOf } from '../../workers/build-id.ts';

/** A project whose agents_worker, and the processes that it starts, say something. */
async function projectThat(says: string, { launcher = 'nothing' } = {}): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'build-id-'));
  onTestFinished(() => rm(root, { recursive: true }));
  await mkdir(join(root, 'workers'));
  await mkdir(join(root, 'activities'));
  await mkdir(join(root, 'runtimes/process/fence'), { recursive: true });
  await mkdir(join(root, 'runtimes/process/launcher'));
  await writeFile(join(root, 'package.json'), '{"version": "1.2.3"}');
  await writeFile(join(root, 'activities/say.ts'), `export const say = (): string => ${JSON.stringify(says)};`);
  await writeFile(join(root, 'workers/agents-worker.ts'), "import { say } from '../activities/say.ts'; say();");
  await writeFile(join(root, 'runtimes/process/fence/watchdog.ts'), "console.log('nothing');");
  await writeFile(join(root, 'runtimes/process/launcher/launcher.mjs'), `console.log(${JSON.stringify(launcher)});`);
  return root;
}

const bundle = (code: string, sourceMap = 'data:of-one-folder') => ({
  code: `${code}\n//# sourceMappingURL=${sourceMap}`,
});

test('the id of a build follows its workflow code, its activity code and the processes that it starts, and nothing else', async () => {
  const root = await projectThat('a');
  const id = await buildIdOf(bundle('workflows'), root);
  expect(id).toMatch(/^1\.2\.3-[0-9a-f]{12}$/);
  expect(id).toMatch(buildIdPattern);
  expect(await buildIdOf(bundle('workflows', 'data:of-another-folder'), await projectThat('a'))).toBe(id);
  expect(await buildIdOf(bundle('other workflows'), root)).not.toBe(id);
  expect(await buildIdOf(bundle('workflows'), await projectThat('b'))).not.toBe(id);
  expect(await buildIdOf(bundle('workflows'), await projectThat('a', { launcher: 'more' }))).not.toBe(id);
});

test('agents_worker has a build id', async () => {
  expect(await buildIdOf(bundle('workflows'))).toMatch(buildIdPattern);
});
