import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { AuditEntry } from '../api/types.ts';
import { addressOf, query } from '../router.ts';
import { useAdmin } from '../session.ts';
import { Id, shortId, Time } from '../ui/format.tsx';
import { Loaded, useLoading } from '../ui/loading.tsx';
import { Rows } from '../ui/rows.tsx';
import { AuditFilters } from './audit-filters.tsx';
import { AuditVerificationPanel } from './audit-verification.tsx';

/** Every event that was published, newest first, for admins. */
export function AuditView() {
  const filters = query.value;
  return (
    <>
      <h1>Audit trail</h1>
      <AuditVerificationPanel />
      <AuditFilters />
      <div>
        <Entries key={filters.toString()} filters={Object.fromEntries(filters)} />
      </div>
    </>
  );
}

function Entries({ filters }: { filters: Record<string, string> }) {
  const admin = useAdmin();
  const loading = useLoading();
  const entries = useSignal<AuditEntry[]>([]);
  const next = useSignal<string | null>(null);
  const loadMore = (): Promise<void> =>
    loading.run(async (signal) => {
      const cursor = next.value;
      const page = await admin.audit({ ...filters, limit: '50', ...(cursor !== null && { cursor }) }, signal);
      entries.value = [...entries.value, ...page.entries];
      next.value = page.next_cursor;
    });
  useEffect(() => void loadMore(), []);
  return (
    <Loaded loading={loading}>
      <Rows
        items={entries.value}
        row={(entry) => <EntryRow key={entry.position} entry={entry} />}
        empty={<p>There is no such entry.</p>}
        label="Entries"
        isOrdered
        more={next.value !== null && loadMore}
      />
    </Loaded>
  );
}

function EntryRow({ entry }: { entry: AuditEntry }) {
  const { position, type, time, instance_id: instance, agent_id: agent, user_id: user } = entry;
  const status = textIn(entry.body, 'status');
  const rollout = textIn(entry.body, 'rollout_id');
  const deployment = textIn(entry.body, 'deployment_id');
  return (
    <li class="row audit">
      <p class="row-time small">
        <Time at={time} />
      </p>
      <div class="row-main">
        <p class="line">
          <span class="strong">{type}</span>
          {status !== undefined && <span class="small quiet">{` ${status}`}</span>}
          {instance !== null && (
            <span>
              {' instance '}
              <a href={addressOf(['instances', instance])}>
                <Id of={instance} />
              </a>
            </span>
          )}
          {rollout !== undefined && (
            <span>
              {' rollout '}
              <a href={addressOf(['rollouts', rollout])}>
                <Id of={rollout} />
              </a>
            </span>
          )}
          {deployment !== undefined && (
            <span>
              {' deployment '}
              <a href={addressOf(['deployments', deployment])}>
                <Id of={deployment} />
              </a>
            </span>
          )}
          <span class="small quiet">{` #${entry.sequence}`}</span>
          <Party name="agent" id={agent} />
          <Party name="user" id={user} />
        </p>
        <details class="small">
          <summary>
            {`Entry ${position}`}
            <span class="unseen">{` ${type} ${instance ? shortId(instance) : ''}`}</span>
          </summary>
          <pre class="code">{JSON.stringify(entry, null, 2)}</pre>
        </details>
      </div>
    </li>
  );
}

function Party({ name, id }: { name: string; id: string | null }) {
  if (id === null) return null;
  return (
    <span class="small quiet">
      {` ${name} `}
      <Id of={id} />
    </span>
  );
}

function textIn(body: unknown, member: string): string | undefined {
  const text = typeof body === 'object' && body !== null && (body as Record<string, unknown>)[member];
  return typeof text === 'string' ? text : undefined;
}
