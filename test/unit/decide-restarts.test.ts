import { describe, expect, test } from 'vitest';
import type { RestartPolicy } from '../../workflows/restart-policy.ts';
import type { InstanceEvent } from '../../workflows/state.ts';
import { after, agentExited, begun, exit, neverRestart, pauseOver, provisioned, record, recorded, retry, row, rowChanged, stepOf } from '../support/instance-events.ts'; // prettier-ignore

const always: RestartPolicy = { ...neverRestart, policy: 'always' };
const onFailure: RestartPolicy = { ...neverRestart, policy: 'on_failure' };

const started = (restart: RestartPolicy, runtimeId = 'first'): InstanceEvent[] => [
  ...begun,
  provisioned(row(1, 1), runtimeId, restart),
];
/** Starts that each end as soon as they are up; the times of the pauses are kept. */
const crashes = (times: number, restart: RestartPolicy): InstanceEvent[] =>
  Array.from({ length: times }, (_, index) => [
    ...started(restart, `runtime-${index}`),
    exit('exited', `runtime-${index}`),
    ...(index < times - 1 ? [pauseOver] : []),
  ]).flat();
const crashed = (times: number, restart: RestartPolicy) => after(rowChanged(1, 1), ...crashes(times, restart));
const restartsAt = (...life: Parameters<typeof after>): number | undefined => {
  const { obstacle } = after(...life);
  return obstacle?.kind === 'restarting' ? obstacle.dueAt : undefined;
};

describe('an agent that ends by itself', () => {
  test.each([
    ['never', 'with an error', true, false],
    ['never', 'without an error', false, false],
    ['on_failure', 'with an error', true, true],
    ['on_failure', 'without an error', false, false],
    ['always', 'with an error', true, true],
    ['always', 'without an error', false, true],
  ] as const)('under the policy %s, %s', (policy, _how, failed, restarts) => {
    const { obstacle } = after(
      rowChanged(1, 1),
      ...started({ ...neverRestart, policy }),
      exit('exited', 'first', failed),
    );
    expect(obstacle?.kind).toBe(restarts ? 'restarting' : 'failed');
  });

  test.each(['never', 'on_failure', 'always'] as const)('unseen is started at once, under %s too', (policy) => {
    const life = [
      rowChanged(1, 1),
      ...started({ ...neverRestart, policy }),
      recorded('pending', row(2, 1)),
      exit('lost'),
    ];
    expect(stepOf(after(...life))).toEqual({ type: 'provision', generation: 1, resume: true, hostId: 'host-1' });
  });

  test('is pending with a reason until the pause is over, and then goes on where it was', () => {
    const life = [rowChanged(1, 1), ...started(onFailure), recorded('running', row(2, 1)), 5_000, exit('exited')];
    const why = { code: 'restarting', message: `${agentExited.message} Restart 1 of 3 after 1 s.` } as const;
    expect(stepOf(after(...life))).toEqual(record('pending', 1, why));
    const told = [...life, recorded('pending', row(3, 1), why)];
    expect(stepOf(after(...told))).toEqual({ type: 'wait', until: 6_000 });
    expect(stepOf(after(...told, 6_000, pauseOver))).toEqual({
      type: 'provision',
      generation: 1,
      resume: true,
      hostId: 'host-1',
    });
  });

  test('is failed once it was restarted as often as it may', () => {
    expect(crashed(3, onFailure).obstacle?.kind).toBe('restarting');
    expect(crashed(4, onFailure).obstacle).toEqual({
      kind: 'failed',
      generation: 1,
      reason: { ...agentExited, message: `${agentExited.message} It was restarted 3 times in a row.` },
    });
    expect(crashed(1, { ...always, maxRestarts: 0 }).obstacle?.kind).toBe('failed');
  });

  test('before its provisioning has ended counts as well', () => {
    const { obstacle, restarts } = after(
      rowChanged(1, 1),
      begun,
      exit('exited'),
      provisioned(row(1, 1), 'first', always),
    );
    expect([obstacle?.kind, restarts.count]).toEqual(['restarting', 1]);
  });
});

describe('the pause before a restart', () => {
  test('doubles and is capped', () => {
    const pauses = [1, 2, 3, 4, 5].map((times) =>
      restartsAt(rowChanged(1, 1), ...crashes(times, { ...always, maxRestarts: 9 })),
    );
    expect(pauses).toEqual([1_000, 2_000, 3_000, 3_000, 3_000]);
  });

  test('is a time also after the most restarts that a policy may allow', () => {
    const patient = { ...always, maxRestarts: 1_000, maxBackoffMs: 3_600_000 };
    expect(restartsAt(rowChanged(1, 1), ...crashes(1_000, patient))).toBe(3_600_000);
  });

  test('is over at once where there is to be none', () => {
    expect(restartsAt(rowChanged(1, 1), ...started({ ...always, backoffMs: 0 }), 7, exit('exited'))).toBe(7);
  });
});

describe('a new row of restarts begins', () => {
  const worn = [rowChanged(1, 1), ...crashes(3, onFailure), pauseOver, ...started(onFailure)];

  test('when the agent has run for long', () => {
    expect(after(...worn, 59_999, exit('exited')).obstacle?.kind).toBe('failed');
    const rested = after(...worn, 60_000, exit('exited'));
    expect(rested.obstacle).toMatchObject({ kind: 'restarting', dueAt: 61_000 });
    expect(rested.restarts.count).toBe(1);
  });

  test('with a retry', () => {
    expect(after(...worn, retry(), exit('exited')).restarts.count).toBe(1);
    expect(after(...worn, exit('exited'), retry()).restarts.count).toBe(0);
  });

  test.each([
    ['during the pause', [...worn.slice(0, -3), rowChanged(2, 2)]],
    ['while the agent runs', [...worn, rowChanged(2, 2)]],
    ['and the agent that it replaces ends', [...worn, rowChanged(2, 2), exit('exited')]],
    ['that provisioning is the first to see', [...worn.slice(0, -1), provisioned(row(2, 2), 'first', onFailure)]],
  ])('with a new generation, %s', (_when, life) => {
    expect(after(...life).restarts.count).toBe(0);
  });

  test('with another row of the same id', () => {
    expect(after(...worn, { type: 'rowGone' }).restarts.count).toBe(0);
  });

  test('not when the agent was lost', () => {
    expect(after(...worn, exit('lost')).restarts.count).toBe(3);
  });
});
