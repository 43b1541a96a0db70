import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { InstanceStatus } from '../../contracts/names.ts';
import type { RestartPolicy } from '../../workflows/restart-policy.ts';
import { neverRestart } from '../support/instance-events.ts';
import { lifeOnHosts, settled, stepsToRest } from '../support/instance-lives.ts';
import { createSimulation, type Simulation, type Step } from '../support/instance-simulation.ts';
import { propertyRuns } from '../support/property-runs.ts';

/** One arrow of the README's state diagram, as a life of an instance. */
interface Arrow {
  published?: boolean;
  restart?: RestartPolicy;
  /** Lead to the status at which the arrow begins. */
  before: Step[];
  /** What the label of the arrow says. */
  cause: Step[];
}

const insert: Step = { do: 'insert', desiredState: 'running' };
const insertStopped: Step = { do: 'insert', desiredState: 'stopped' };
const toggle: Step = { do: 'toggle' };
const changeConfig: Step = { do: 'changeConfig' };
const retire: Step = { do: 'retire', drain: true };
const exit: Step = { do: 'exit', kind: 'exited', failed: true };
const retry: Step = { do: 'retry', again: false };
const publish: Step = { do: 'publish', restart: neverRestart };
const rest: Step = { do: 'pass', durationMs: 0 };
const advance = (ending: 'done' | 'failed', times: number): Step[] =>
  Array.from({ length: times }, () => ({ do: 'advance', ending }));
const deliver = (pick: number): Step => ({ do: 'deliver', pick });
/** The event of a running instance that is to stop comes, and its clean-up fails. */
const stopInVain: Step[] = [toggle, deliver(2), ...advance('failed', 7)];

const arrows: Record<string, Arrow> = {
  'pending --> running: agent is ready': { before: [insert], cause: [] },
  'pending --> failed: agent cannot start': { before: [insert], cause: [deliver(0), ...advance('failed', 3)] },
  'pending --> stopped: desired state is stopped': { published: false, before: [insert, rest], cause: [toggle] },
  'pending --> stopped: agent retired with drain': {
    published: false,
    before: [insert, rest],
    cause: [publish, retire],
  },
  'running --> pending: new generation': { before: [insert, rest], cause: [changeConfig] },
  'running --> pending: agent exited, policy restarts it': {
    restart: { ...neverRestart, policy: 'always' },
    before: [insert, rest],
    cause: [exit],
  },
  'running --> pending: agent was lost': {
    before: [insert, rest],
    cause: [{ do: 'exit', kind: 'lost', failed: true }],
  },
  'running --> pending: host is lost': {
    before: [insert, rest],
    cause: [{ do: 'loseHost', host: 0 }, { do: 'watch' }, { do: 'deliverNotice', pick: 0 }],
  },
  'running --> pending: host is drained': {
    before: [insert, rest],
    cause: [{ do: 'drainHost', host: 0 }, { do: 'watch' }, { do: 'deliverNotice', pick: 0 }],
  },
  'running --> failed: agent exited, policy gives up': { before: [insert, rest], cause: [exit] },
  'running --> failed: clean-up failed': { before: [insert, rest], cause: stopInVain },
  'running --> stopped: desired state is stopped': { before: [insert, rest], cause: [toggle] },
  'running --> stopped: agent retired with drain': { before: [insert, rest], cause: [retire] },
  'failed --> pending: new generation': { before: [insert, rest, exit, rest], cause: [changeConfig] },
  'failed --> pending: retry': { before: [insert, rest, exit, rest], cause: [retry] },
  'failed --> stopped: desired state is stopped': { before: [insert, rest, exit, rest], cause: [toggle] },
  'failed --> stopped: clean-up succeeded': {
    before: [insert, rest, ...stopInVain, ...advance('done', 2)],
    cause: [{ do: 'pass', durationMs: 600_000 }],
  },
  'stopped --> pending: desired state is running': { before: [insertStopped, rest], cause: [toggle] },
  'stopped --> pending: retry after a drain': { before: [insert, rest, retire, rest], cause: [publish, retry] },
};

const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
const diagram = /```mermaid\nstateDiagram-v2\n(?<lines>[^`]*)```/.exec(readme)?.groups?.['lines'] ?? '';
const drawn = diagram.split('\n').flatMap((line) => /^ {4}(?<arrow>\w+ --> .*)$/.exec(line)?.groups?.['arrow'] ?? []);

function play(simulation: Simulation, steps: readonly Step[]): void {
  for (const step of steps) {
    if (step === rest) simulation.settle({ limit: stepsToRest });
    else simulation.take(step);
  }
}

const statusesSince = ({ rows }: Simulation, events: number): InstanceStatus[] =>
  rows.log.slice(events).map(({ row }) => row.status);

test('the state diagram of the README draws every arrow that is tried here, and no other', () => {
  expect(drawn.toSorted()).toEqual(Object.keys(arrows).toSorted());
});

test.each(Object.entries(arrows))('%s', (arrow, { published = true, restart = neverRestart, before, cause }) => {
  const [from, to] = arrow.split(/ --> |: /);
  const simulation = createSimulation({ published, restart });
  play(simulation, before);
  expect(simulation.rows.row()?.status).toBe(from);
  const events = simulation.rows.log.length;
  play(simulation, [...cause, rest]);
  expect(statusesSince(simulation, events).find((status) => status !== from)).toBe(to);
});

test('no life changes the status in a way that the state diagram does not draw', () => {
  const pairs = new Set(Object.keys(arrows).map((arrow) => arrow.split(':')[0]));
  fc.assert(
    fc.property(lifeOnHosts, (given) => {
      // A workflow that was terminated has forgotten what failed, and a status that comes late may follow any other.
      const steps = given.steps.filter((step) => step.do !== 'terminate' && step.do !== 'recordLate');
      const { log } = settled({ ...given, steps }).rows;
      const changes = log.flatMap(({ type, row: { status } }, index) => {
        const previous = log[index - 1];
        // A deleted row ends as `stopped`, and a new row begins anew.
        if (!previous || previous.type === 'instance.deleted' || type === 'instance.created') return [];
        return previous.row.status === status ? [] : [`${previous.row.status} --> ${status}`];
      });
      expect(changes.filter((change) => !pairs.has(change))).toEqual([]);
    }),
    propertyRuns(2_000),
  );
});
