import { expect, test } from 'vitest';
import { classifyEnd } from '../../runtimes/docker/container-end.ts';
import type { ContainerReading } from '../../runtimes/docker/container-reading.ts';
import { signalNumber } from '../../runtimes/docker/stop-signal.ts';

const reading: ContainerReading = {
  id: 'c',
  instanceId: 'i',
  generation: 1,
  stopGraceSeconds: 1,
  phase: 'ended',
  since: new Date(0),
  pid: 0,
  exitCode: 137,
  stopSignal: 15,
  outOfMemory: false,
  memoryBytes: 16 * 2 ** 20,
  health: undefined,
};
const killed = 'The agent was ended by the signal SIGKILL (exit code 137).';
const end = { exitCode: 137, signals: new Set<number>(), seen: true };

test.each([
  ['a kill for want of memory', end, true, `${killed} It ran out of memory: its limit is 16 MiB (memory_mebibytes).`],
  [
    'a kill of which the engine knows no more',
    end,
    false,
    `${killed} The kernel may have ended it because it ran out of memory: its limit is 16 MiB (memory_mebibytes).`,
  ],
  [
    'a kill through the engine',
    { ...end, signals: new Set([9]) },
    false,
    `The container was stopped through the engine. ${killed}`,
  ],
  ['an exit', { ...end, exitCode: 1 }, false, 'The agent ended with exit code 1.'],
])('%s is told in words', (_, given, outOfMemory, message) => {
  expect(classifyEnd(given, { ...reading, outOfMemory }).message).toBe(message);
});

test.each([
  ['28', 28],
  ['SIGWINCH', 28],
  ['usr1', 10],
  ['SIGQUIT', 3],
  ['SIGINT', 2],
  ['SIGRTMIN+3', 37],
  ['RTMAX-2', 62],
  ['SIGNONE', undefined],
  ['', undefined],
])('the signal %j has the number %j', (text, number) => {
  expect(signalNumber(text)).toBe(number);
});

test.each([28, 10, 37, 3, 15])('an agent that ends with 0 on its stop signal, %i, was stopped', (stopSignal) => {
  const given = { exitCode: 0, signals: new Set([stopSignal]), seen: true };
  expect(classifyEnd(given, { ...reading, exitCode: 0, stopSignal }).kind).toBe('lost');
});

test('an agent that ends after a signal on which nobody stops it has ended by itself', () => {
  const given = { exitCode: 0, signals: new Set([28]), seen: true };
  expect(classifyEnd(given, { ...reading, exitCode: 0 }).kind).toBe('exited');
});

test('an end by the stop signal that nobody saw is one of a shutdown', () => {
  const given = { exitCode: 165, signals: new Set<number>(), seen: false };
  expect(classifyEnd(given, { ...reading, exitCode: 165, stopSignal: 37 }).kind).toBe('lost');
  expect(classifyEnd(given, { ...reading, exitCode: 165 }).kind).toBe('exited');
});
