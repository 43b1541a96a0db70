import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

test('a pipe gets no colours, also where a CI server asks for them', async () => {
  const script = `import { colors } from './cli/terminal.ts'; console.log(colors.bold('failed'))`;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--import', 'tsx', '--input-type=module', '--eval', script],
    { env: { ...process.env, CI: 'true' } },
  );
  expect(stdout).toBe('failed\n');
});
