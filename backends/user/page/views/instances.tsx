import { batch, useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { Instance, InstancePage } from '../api/types.ts';
import { addressOf, query } from '../router.ts';
import { useGap, useSession } from '../session.ts';
import { Loaded, useLoading, useRefresher } from '../ui/loading.tsx';
import { Rows } from '../ui/rows.tsx';
import { InstanceFilters } from './instance-filters.tsx';
import { InstanceRow } from './instance-row.tsx';

const pageSize = 50;
const maxPageSize = 200;

/** The instances of the person, and for admins those of all, kept up to date. */
export function InstancesView() {
  const { me } = useSession();
  const status = query.value.get('status') ?? '';
  const isOwn = !me.is_admin || query.value.get('owner') === 'mine';
  return (
    <>
      <div class="heading line between">
        <h1>Instances</h1>
        <a class="button primary" href={addressOf(['new'])}>
          Create an instance
        </a>
      </div>
      <InstanceFilters />
      <div>
        <InstanceList key={`${status} ${isOwn}`} status={status} isOwn={isOwn} />
      </div>
    </>
  );
}

interface InstanceListProps {
  /** '' for every status. */
  status: string;
  isOwn: boolean;
}

function InstanceList({ status, isOwn }: InstanceListProps) {
  const { api, known, me } = useSession();
  const loading = useLoading();
  const filters = { status, ...(isOwn && { user_id: me.user_id }) };
  /** Of the last page that was loaded: older instances than its last one are on the next page, at the cursor. */
  const end = useSignal<{ last: Instance | undefined; cursor: string | null }>({ last: undefined, cursor: null });

  const isShown = (instance: Instance): boolean => {
    const { last, cursor } = end.value;
    return (
      (status === '' || instance.status === status) &&
      (!isOwn || instance.user_id === me.user_id) &&
      (cursor === null || last === undefined || newestFirst(instance, last) <= 0)
    );
  };
  const shown = (): Instance[] => known.all().filter(isShown).toSorted(newestFirst);

  const take = (page: InstancePage): void =>
    batch(() => {
      end.value = { last: page.instances.at(-1), cursor: page.next_cursor };
      page.instances.forEach(known.learn);
    });

  const reload = (): Promise<void> =>
    loading.run(async (signal) => {
      const before = shown();
      const limit = Math.min(maxPageSize, Math.max(pageSize, before.length));
      const page = await api.instances({ ...filters, limit }, signal);
      take(page);
      const found = new Set(page.instances.map(({ id }) => id));
      // Missing entries that no later event mentioned were deleted or no longer match the filter.
      for (const instance of before) {
        const isUnchanged = known.get(instance.id) === instance;
        if (isShown(instance) && isUnchanged && !found.has(instance.id)) known.forget(instance.id);
      }
    });

  const showMore = (): Promise<void> =>
    loading.run(async (signal) => {
      const { cursor } = end.value;
      take(await api.instances({ ...filters, limit: pageSize, ...(cursor !== null && { cursor }) }, signal));
    });

  const refresh = useRefresher(reload);
  useGap(() => refresh(0));
  useEffect(() => {
    void reload();
    // An unknown instance makes the whole list load again, once for many events.
    return known.onNews(({ isKnown }) => {
      if (!isKnown) refresh();
    });
  }, []);

  return (
    <Loaded loading={loading}>
      <Rows
        items={shown()}
        row={(instance) => <InstanceRow key={instance.id} instance={instance} />}
        empty={status === '' ? <FirstOne /> : <p>{`No instance is ${status}.`}</p>}
        label="Instances"
        more={end.value.cursor !== null && showMore}
      />
    </Loaded>
  );
}

function FirstOne() {
  return (
    <>
      <p>There is no instance yet. An instance is an agent that runs for you, with a config of its own.</p>
      <p>
        <a class="button primary" href={addressOf(['new'])}>
          Create the first one
        </a>
      </p>
    </>
  );
}

function newestFirst(one: Instance, other: Instance): number {
  return compare(other.created_at, one.created_at) || compare(other.id, one.id);
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
