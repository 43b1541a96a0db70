import { expect, test } from 'vitest';
import type { DeadLetter } from '../../bridge/dead-letters/letter.ts';
import type { InstanceView } from '../../database/instances/view.ts';
import type { RowVersion } from '../../explain/event-log.ts';
import type { ReasonCode } from '../../contracts/names.ts';
import type { Findings, Host } from '../../explain/findings.ts';
import type { Verdict } from '../../explain/verdict-form.ts';
import { judge } from '../../explain/verdict.ts';
import type { WorkflowReading } from '../../explain/workflow.ts';

/** What a real stack shows only after faults that are hard to bring about; the rest is tested on one. */
const at = new Date('2026-01-01T12:00:00Z');
const options = {
  now: new Date('2026-01-01T12:01:00Z'),
  formatTime: (time: Date) => time.toISOString().slice(11, 19),
  actions: {
    retry: () => 'a retry',
    explain: () => 'look',
    findHost: () => 'list the hosts',
    forgetHost: (id: string) => `forget ${id}`,
  },
};

const row: InstanceView = {
  id: 'an-instance',
  status: 'running',
  desired_state: 'running',
  generation: 1,
  observed_generation: 1,
  sequence: 2,
  agent_id: 'an-agent',
  agent_name: 'test',
  agent_version: '1',
  stable_version: '1',
  running_version: '1',
  version_policy: 'follow',
  outdated: false,
  agent_retired: false,
  agent_runtime: 'process',
  user_id: 'a-user',
  host_id: null,
  reason: null,
  created_at: at,
  updated_at: at,
};

const created: RowVersion = {
  sequence: 1,
  event_id: 'an-event',
  change: 'insert',
  row: { status: 'pending', desired_state: 'running', generation: 1, observed_generation: 0, agent_id: 'an-agent', user_id: 'a-user', metadata: {} }, // prettier-ignore
  with_config: true,
  causation_id: null,
  occurred_at: at,
  published_at: at,
  rejected_reason: null,
};
const ran: RowVersion = { ...created, sequence: 2, change: 'update', row: { ...created.row, status: 'running', observed_generation: 1 } }; // prettier-ignore
const deleted: RowVersion = { ...ran, sequence: 3, change: 'delete' };

const workflow: WorkflowReading = {
  status: 'RUNNING',
  pendingActivities: [],
  workflowTaskAttempt: 1,
  timeline: [],
  unreadRuns: 0,
};

const healthy: Findings = {
  instanceId: row.id,
  database: { value: { row, log: [created, ran] } },
  deadLetters: { value: { letters: [], notes: [] } },
  workflow: { value: workflow },
  host: { id: 'a-host', name: 'worker-1', isHere: true, leaseHolds: true, leaseUntil: at, replaceAfterSeconds: null }, // prettier-ignore
  runtime: { value: { phase: 'running', where: 'process 7', generation: 1, pid: 7, runtimeId: 'a-runtime' } },
};

const letter: DeadLetter = {
  letterId: '0123456789abcdef',
  queue: 'agents_worker.instance.dead',
  originQueue: 'agents_worker.instance',
  messageId: 'an-event',
  type: 'instance.created',
  subject: row.id,
  sequence: 1,
  reason: 'too long',
  time: at,
  sizeBytes: 100,
};

const judged = (findings: Partial<Findings>) => judge({ ...healthy, ...findings }, options);
const log = (...entries: RowVersion[]): Partial<Findings> => ({ database: { value: { row, log: entries } } });
const pendingRow: Partial<Findings> = {
  database: { value: { row: { ...row, status: 'pending', observed_generation: 0 }, log: [created] } },
};

test('what is healthy is running', () => {
  expect(judged({})).toEqual({ state: 'running', sentence: 'running generation 1 since 12:00:00 as process 7.' });
});

test.each<[string, Partial<Findings>, string, RegExp]>([
  ['an entry that became no event', log({ ...created, published_at: null, rejected_reason: 'no name' }), 'stuck', /^#1 never reached the bus \(no name\)/], // prettier-ignore
  ['a workflow that was terminated', { workflow: { value: { ...workflow, status: 'TERMINATED' } } }, 'waiting', /^waiting for the sweeper [^]*but its workflow is TERMINATED\.$/], // prettier-ignore
  ['a running row without an agent', { runtime: { value: undefined } }, 'stuck', /nothing of it is on this host/],
  ['an agent that has ended unseen', { runtime: { value: { phase: 'ended' } } }, 'stuck', /its agent has ended/],
  ['workflow code of a build that fails', { ...pendingRow, workflow: { value: { ...workflow, workflowTaskAttempt: 2, nextBuild: '2.0.0-b' } } }, 'waiting', /the workflow code of the build 2\.0\.0-b fails/], // prettier-ignore
  ['workflow code that fails', { ...pendingRow, workflow: { value: { ...workflow, workflowTaskAttempt: 4 } } }, 'waiting', /the workflow code fails/], // prettier-ignore
  ['an activity between two attempts', { ...pendingRow, workflow: { value: { ...workflow, pendingActivities: [{ name: 'provision', attempt: 3, lastFailure: 'no disk', nextAttempt: at }] } } }, 'waiting', /provision failed \(no disk\) and attempt 3 is due at 12:00:00\.$/], // prettier-ignore
  ['a deletion that nobody works on', { database: { value: { row: undefined, log: [created, ran, deleted] } }, workflow: { value: undefined } }, 'stuck', /^deleted at 12:00:00, but no workflow/], // prettier-ignore
  ['a deletion under way', { database: { value: { row: undefined, log: [created, ran, deleted] } } }, 'waiting', /^waiting for its clean-up/], // prettier-ignore
  ['a dead letter of the latest wish', { ...pendingRow, deadLetters: { value: { notes: [], letters: [letter] } } }, 'stuck', /could not take in #1 \(too long\)/], // prettier-ignore
])('%s is named', (_, findings, state, sentence) => {
  expect(judged(findings)).toEqual({ state, sentence: expect.stringMatching(sentence) });
});

const pod = {
  where: 'pod instance-a of the namespace agents on the node worker-7',
  inspect: 'kubectl describe pod instance-a -n agents',
};
const unplaced = {
  ...pod,
  phase: 'starting',
  where: 'pod instance-a of the namespace agents on no node yet',
  status: 'Unschedulable: 0/1 nodes are available',
} as const;
const underWay = { value: { ...workflow, pendingActivities: [{ name: 'provision', attempt: 1 }] } };

test.each<[string, Partial<Findings>, Verdict['state'], string]>([
  ['runs', { runtime: { value: { ...pod, phase: 'running' } } }, 'running', `running generation 1 since 12:00:00 as ${pod.where}.`], // prettier-ignore
  ['finds no node', { ...pendingRow, workflow: underWay, runtime: { value: unplaced } }, 'waiting', 'waiting for generation 1 to be running: provision is under way; see that agents_worker runs if this lasts. Its agent is starting as pod instance-a of the namespace agents on no node yet (Unschedulable: 0/1 nodes are available). To see more: kubectl describe pod instance-a -n agents'], // prettier-ignore
  ['has ended unseen', { runtime: { value: { ...pod, phase: 'ended', status: 'The agent ended with exit code 3' } } }, 'stuck', `running generation 1 since 12:00:00, but its agent has ended as ${pod.where} (The agent ended with exit code 3): see that agents_worker runs, then look again. To see more: ${pod.inspect}`], // prettier-ignore
])(
  'a pod is named with its node, what the cluster says, and where to look, where it %s',
  (_, findings, state, sentence) => {
    expect(judged(findings)).toEqual({ state, sentence });
  },
);

test('a restart that waits for a node says so after its reason', () => {
  const reason = { code: 'restarting', message: 'The agent ended with exit code 3.' } as const;
  const database = { value: { row: { ...row, status: 'pending' as const, reason }, log: [created] } };
  expect(judged({ database, runtime: { value: unplaced } })?.sentence).toMatch(
    /^waiting for its restart \(restarting: The agent ended with exit code 3\.\): a retry skips the pause\. Its agent is starting as pod/,
  );
});

/** The instance is placed on another host than this one. */
const elsewhere = (host: Partial<Host> = {}): Partial<Findings> => ({
  host: { id: 'a-host', name: 'worker-1', isHere: false, leaseHolds: true, leaseUntil: at, replaceAfterSeconds: null, ...host }, // prettier-ignore
  runtime: { value: undefined },
});
const because = (code: ReasonCode): Partial<Findings> => ({
  database: { value: { row: { ...row, status: 'pending', reason: { code, message: 'So it is.' } }, log: [created] } },
});
const lost = { leaseHolds: false };
const lostAndForgettable =
  'its host worker-1, which is lost since 12:00:00: start agents_worker there again. If it is gone for good: forget a-host.';

test.each<[string, Partial<Findings>, Verdict['state'], string]>([
  ['runs on another host', elsewhere(), 'running', 'running generation 1 since 12:00:00 on the host worker-1.'],
  ['has left an agent on this host, too', { ...elsewhere(), runtime: healthy.runtime }, 'running', 'running generation 1 since 12:00:00 on the host worker-1.'], // prettier-ignore
  ['says running although its host is lost', elsewhere(lost), 'waiting', `waiting for ${lostAndForgettable}`],
  ['says that its host is lost', { ...because('host_lost'), ...elsewhere(lost) }, 'waiting', `waiting for ${lostAndForgettable}`], // prettier-ignore
  ['is to stop on a host that is lost', { ...pendingRow, ...elsewhere(lost) }, 'waiting', `waiting for ${lostAndForgettable}`], // prettier-ignore
  ['is replaced by itself', { ...because('host_lost'), ...elsewhere({ ...lost, replaceAfterSeconds: 60 }) }, 'waiting', 'waiting for its host worker-1, which is lost since 12:00:00: start agents_worker there again. It is replaced 60 s after that.'], // prettier-ignore
  ['is deleted', { database: { value: { row: undefined, log: [created, ran, deleted] } }, ...elsewhere(lost) }, 'waiting', `waiting for its clean-up, since its row was deleted at 12:00:00, on ${lostAndForgettable}`], // prettier-ignore
  ['says that its host is lost, to somebody who may see no hosts', { ...because('host_lost'), host: undefined }, 'waiting', 'waiting for its host: So it is.'], // prettier-ignore
  ['says that its host is lost, although it is back', { ...because('host_lost'), ...elsewhere() }, 'waiting', 'waiting for its host: So it is.'], // prettier-ignore
  ['fits on no host', { ...because('no_host'), host: undefined }, 'waiting', 'waiting for a host: So it is. To find one: list the hosts.'], // prettier-ignore
  ['moves', { ...because('moving'), ...elsewhere() }, 'waiting', 'waiting for its move to another host: So it is.'],
])('the host counts, where an instance %s', (_, findings, state, sentence) => {
  expect(judged(findings)).toEqual({ state, sentence });
});

test('parts that are missing are not taken for parts that know nothing', () => {
  const missing = { missing: 'away' };
  expect(judged({ workflow: missing, runtime: missing, deadLetters: missing })?.state).toBe('running');
  expect(judged({ database: missing, workflow: missing })?.state).toBe('unknown');
  const nothing = { value: undefined };
  const noRow = { database: { value: { row: undefined, log: [] } }, workflow: nothing, runtime: nothing };
  expect(judged(noRow)).toBeUndefined();
  expect(judged({ ...noRow, workflow: missing })).toMatchObject({ state: 'unknown' });
});

test('parts that were not to be asked are neither missing nor taken for parts that know nothing', () => {
  const leftOut = { workflow: undefined, runtime: undefined, deadLetters: undefined };
  expect(judged(leftOut)).toEqual({ state: 'running', sentence: 'running generation 1 since 12:00:00.' });
  expect(judged({ ...pendingRow, ...leftOut })).toEqual({
    state: 'waiting',
    sentence: 'waiting for generation 1 to be running.',
  });
  expect(judged({ ...leftOut, database: { value: { row: undefined, log: [] } } })).toBeUndefined();
});

test('what the reader may do next is called as the reader knows it', () => {
  const database = { value: { row: { ...row, status: 'failed' as const }, log: [created, ran] } };
  expect(judged({ database })?.sentence).toContain('To try again: a retry, or change its config.');
  expect(judged({ runtime: { value: undefined } })?.sentence).toContain(
    'see that agents_worker runs, then look again.',
  );
});
