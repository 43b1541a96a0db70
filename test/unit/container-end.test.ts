import { expect, test } from 'vitest';
import { classifyEnd } from '../../runtimes/docker/container-end.ts';
import type { ContainerReading } from '../../runtimes/docker/container-reading.ts';

const reading: ContainerReading = {
  id: 'c',
  instanceId: 'i',
  generation: 1,
  stopGraceSeconds: 1,
  phase: 'ended',
  since: new Date(0),
  pid: 0,
  exitCode: 137,
  outOfMemory: false,
  memoryBytes: 16 * 2 ** 20,
  health: undefined,
};
const killed = 'The agent was ended by the signal SIGKILL (exit code 137).';
const end = { exitCode: 137, stopped: false, seen: true };

test.each([
  ['a kill for want of memory', end, true, `${killed} It ran out of memory: it may use 16 MiB (memory_mebibytes).`],
  [
    'a kill of which the engine knows no more',
    end,
    false,
    `${killed} The kernel may have done so for want of memory: it may use 16 MiB (memory_mebibytes).`,
  ],
  [
    'a kill through the engine',
    { ...end, stopped: true },
    false,
    `The container was stopped through the engine. ${killed}`,
  ],
  ['an exit', { ...end, exitCode: 1 }, false, 'The agent ended with exit code 1.'],
])('%s is told in words', (_, given, outOfMemory, message) => {
  expect(classifyEnd(given, { ...reading, outOfMemory }).message).toBe(message);
});
