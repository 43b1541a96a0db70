import { describe, expect, test } from 'vitest';
import { dockerSpec } from '../../runtimes/docker/spec.ts';
import { processSpec } from '../../runtimes/process/spec.ts';

const digest = `sha256:${'a'.repeat(64)}`;

describe('the image of a docker agent', () => {
  test.each([
    'busybox',
    'library/busybox:1.37-musl',
    'instance-engine-test:plain',
    'registry.example.com/agent:1.4.2',
    'Registry.example.com:5000/a/b__c/d-e.f:V_1',
    '127.0.0.1:5000/agents/none:1',
    '[::1]:5000/agent',
    'localhost/agent',
    `agent@${digest}`,
    `registry.example.com/agent:1@${digest}`,
  ])('may be %s', (image) => {
    expect(dockerSpec.parse({ kind: 'docker', image }).image).toBe(image);
  });

  test.each([
    'registry.example.com//agent:1.4.2',
    'a/./b',
    'a/../b',
    'http://x/y',
    'agent/',
    '/agent',
    'Agent',
    'a/B',
    'agent:',
    'agent:1:2',
    'agent@sha256:1234',
    'agent?x=1',
    'agent#x',
    'agent%2f',
    'agent 1',
    'agent\n',
    '-agent',
    'a..b',
    'a___b',
    'registry.example.com:port/agent',
    `agent:${'t'.repeat(129)}`,
    `a/${'n'.repeat(255)}`,
  ])('is never %j', (image) => {
    expect(dockerSpec.safeParse({ kind: 'docker', image }).success).toBe(false);
  });
});

describe.each([
  ['process', (environment: object) => processSpec.safeParse({ kind: 'process', command: ['true'], environment })],
  ['docker', (environment: object) => dockerSpec.safeParse({ kind: 'docker', image: 'agent', environment })],
])('the environment of a %s agent', (_, parse) => {
  test.each([{ A: 'b' }, { 'a.b-c': '' }, { LD_PRELOAD: '/lib/x.so' }])('may be %j', (environment) => {
    expect(parse(environment).success).toBe(true);
  });

  test.each([{ '': 'x' }, { 'A=B': 'x' }, { 'A\0B': 'x' }, { A: 'x\0y' }])('is never %j', (environment) => {
    expect(parse(environment).success).toBe(false);
  });
});

describe.each([
  ['process', (fields: object) => processSpec.safeParse({ kind: 'process', command: ['true'], ...fields })],
  ['docker', (fields: object) => dockerSpec.safeParse({ kind: 'docker', image: 'agent', ...fields })],
])('the hosts of a %s agent', (_, parse) => {
  test.each([
    {},
    { host_labels: { zone: 'a', disk: '' } },
    { replace_after_seconds: 10 },
    { replace_after_seconds: 604_800 },
  ])('may be %j', (fields) => {
    expect(parse(fields).success).toBe(true);
  });

  test.each([
    { host_labels: { '': 'a' } },
    { host_labels: { 'a=b': 'c' } },
    { host_labels: { 'a,b': 'c' } },
    { host_labels: { zone: 'a,b' } },
    { host_labels: { zone: 'a b' } },
    { host_labels: { zone: 1 } },
    { host_labels: { zone: 'a'.repeat(101) } },
    { replace_after_seconds: 9 },
    { replace_after_seconds: 10.5 },
    { replace_after_seconds: 604_801 },
    { replace_after_seconds: null },
  ])('are never %j', (fields) => {
    expect(parse(fields).success).toBe(false);
  });

  test('are all of the kind when the agent names none', () => {
    expect(parse({}).data).toMatchObject({ host_labels: {} });
    expect(parse({}).data).not.toHaveProperty('replace_after_seconds');
  });
});
