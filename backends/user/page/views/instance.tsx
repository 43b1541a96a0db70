import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { Problem } from '../api/request.ts';
import type { Explanation } from '../api/types.ts';
import { addressOf } from '../router.ts';
import { useGap, useLive, useSession } from '../session.ts';
import { Foldable } from '../ui/foldable.tsx';
import { useLifetime, useRefresher } from '../ui/loading.tsx';
import { errorText } from '../ui/notice.tsx';
import { Empty } from '../ui/rows.tsx';
import { ConfigPanel } from './config-panel.tsx';
import { DeadLettersOf } from './dead-letters-of.tsx';
import { InstanceFacts, InstanceHead } from './instance-facts.tsx';
import { TimelinePanel } from './timeline.tsx';
import { VerdictPanel } from './verdict.tsx';

/** The workflow goes on for a moment after the event that tells of its work. */
const settlingMs = 2_500;
/** A waiting instance may go on without an event. */
const waitingMs = 5_000;
const fewLines = 200;
const manyLines = 1_000;

/** The life of one instance, also of a deleted one. */
export function InstanceView({ id }: { id: string }) {
  const { api, admin, known } = useSession();
  const lifetime = useLifetime();
  const explanation = useSignal<Explanation | undefined>(undefined);
  /** Why the timeline could not be loaded the last time. */
  const problem = useSignal<unknown>(undefined);
  const stage = useSignal<'loading' | 'refused' | 'shown'>('loading');
  const lines = useRef(fewLines);
  const changedAt = useRef(0);
  const instance = known.get(id);

  const reload = async (): Promise<void> => {
    const wasDeleted = known.wasDeleted(id);
    const [row, told] = await Promise.allSettled([
      wasDeleted ? undefined : api.instance(id, lifetime),
      api.timeline(id, { last: lines.current, signal: lifetime }),
    ]);
    if (lifetime.aborted) return;
    if (row.status === 'rejected' && isMissing(row.reason)) known.forget(id);
    else if (row.status === 'fulfilled' && row.value) known.learn(row.value);

    if (told.status === 'rejected') {
      if (row.status === 'rejected') {
        if (stage.value === 'shown' && !isMissing(told.reason)) return;
        stage.value = 'refused';
        problem.value = told.reason;
        return;
      }
      problem.value = told.reason;
    } else {
      if (wasDeleted && told.value.row !== null) {
        // The id was given again.
        const again = await api.instance(id, lifetime).catch(() => undefined);
        if (again) known.learn(again);
      }
      explanation.value = told.value;
      problem.value = undefined;
    }
    stage.value = 'shown';
    if (told.status === 'fulfilled' && told.value.verdict.state === 'waiting') refresh(waitingMs);
    else if (Date.now() - changedAt.current < settlingMs) refresh(settlingMs);
  };

  const refresh = useRefresher(reload);
  useGap(() => refresh(0));
  useLive(() => {
    if (stage.peek() === 'refused') refresh(0);
  });
  useEffect(() => {
    refresh(0);
    return known.onNews((news) => {
      if (news.id !== id) return;
      changedAt.current = Date.now();
      refresh();
    });
  }, []);
  const loadEarlier = (): void => {
    lines.current = manyLines;
    refresh(0);
  };

  return (
    <>
      <InstanceHead id={id} instance={instance} isLoaded={stage.value === 'shown'} />
      <div>
        {stage.value === 'loading' && <p class="quiet">Loading …</p>}
        {stage.value === 'refused' && <Refusal error={problem.value} again={() => refresh(0)} />}
        {stage.value === 'shown' && (
          <>
            <VerdictPanel verdict={explanation.value?.verdict} />
            <div class="columns stack">
              <TimelinePanel explanation={explanation.value} problem={problem.value} onEarlier={loadEarlier} />
              <div class="aside stack">
                <Foldable title="Facts">
                  <InstanceFacts id={id} instance={instance} runsAs={explanation.value?.runs_as ?? null} />
                </Foldable>
                <ConfigPanel id={id} instance={instance} />
                {admin && <DeadLettersOf id={id} />}
              </div>
            </div>
          </>
        )}
      </div>
    </>
  );
}

function isMissing(error: unknown): boolean {
  return error instanceof Problem && error.status === 404;
}

function Refusal({ error, again }: { error: unknown; again: () => void }) {
  const isForeign = isMissing(error);
  return (
    <Empty>
      <p role="alert">
        {isForeign ? 'There is no instance of this id, or it belongs to somebody else.' : errorText(error)}
      </p>
      <div class="line">
        <a class="button" href={addressOf(['instances'])}>
          See your instances
        </a>
        {!isForeign && (
          <button type="button" onClick={again}>
            Try again
          </button>
        )}
      </div>
    </Empty>
  );
}
