import type { Host } from '../api/types.ts';
import { useAdmin } from '../session.ts';
import { Action } from '../ui/action.tsx';
import { confirm } from '../ui/dialog.tsx';
import { Field } from '../ui/form.tsx';
import { duration, Id } from '../ui/format.tsx';
import { Load } from '../ui/loading.tsx';
import { Badge } from '../ui/marks.tsx';
import { attempt } from '../ui/notice.tsx';
import { Rows } from '../ui/rows.tsx';

const refreshMs = 2_000;

export function HostsView() {
  const admin = useAdmin();
  return (
    <>
      <h1>Hosts</h1>
      <p class="quiet">Where agents run. A host is lost when nobody has heard of it for as long as its lease.</p>
      <div>
        <Load from={admin.hosts} everyMs={refreshMs}>
          {({ hosts }, reload) => (
            <Rows
              items={hosts}
              row={(host) => <HostRow key={host.id} host={host} reload={reload} />}
              empty={<p>There is none: start agents_worker.</p>}
            />
          )}
        </Load>
      </div>
    </>
  );
}

function HostRow({ host, reload }: { host: Host; reload: () => Promise<void> }) {
  const admin = useAdmin();
  const { id, name, drain, lease } = host;

  const apply = (change: () => Promise<unknown>, done: string): Promise<void> =>
    attempt(() => change().then(reload), `${name} ${done}.`);
  const startDrain = async (): Promise<void> => {
    const confirmed = await confirmDrain(host);
    if (confirmed) await apply(() => admin.drain(id, { at_once: Number(confirmed.get('at_once')) }), 'drains');
  };
  const undrain = (): Promise<void> => apply(() => admin.undrain(id), 'takes instances again');
  const forget = async (): Promise<void> => {
    if (await confirmForgetting(host)) await apply(() => admin.forgetHost(id), 'is forgotten');
  };

  const about = <span class="unseen">{` ${name}`}</span>;
  return (
    <li class="row" data-host={id}>
      <div class="row-state stack small">
        <HostBadge host={host} />
      </div>
      <div class="row-main">
        <p class="line">
          <span class="strong">{name}</span>
          <Id of={id} />
          <span class="tag inline">{host.runtime}</span>
        </p>
        <p class="small quiet">{factsOf(host)}</p>
        {drain && <p class="small">{progressOf(drain)}</p>}
      </div>
      <p class="row-time small quiet">
        {lease.holds
          ? `lease holds for ${duration(lease.seconds_left * 1_000)}`
          : `lost ${duration(-lease.seconds_left * 1_000)} ago`}
      </p>
      <div class="row-actions line">
        {!host.is_forgotten && (
          <Action onAction={drain ? undrain : startDrain}>
            {drain ? 'Undrain' : 'Drain …'}
            {about}
          </Action>
        )}
        {!host.is_forgotten && !lease.holds && <Action onAction={forget}>Forget …{about}</Action>}
      </div>
    </li>
  );
}

function HostBadge({ host: { is_forgotten: isForgotten, lease, drain } }: { host: Host }) {
  if (isForgotten) return <Badge state="deleted" word="forgotten" />;
  if (!lease.holds) return <Badge state="failed" word="lost" />;
  if (!drain) return <Badge state="running" word="in use" />;
  return drain.left > 0 ? <Badge state="pending" word="drains" /> : <Badge state="stopped" word="drained" />;
}

function factsOf({ placed, capacity, labels, workers }: Host): string {
  const builds = [...new Set(workers.map(({ build }) => build))];
  const facts = [
    capacity === null ? counted(placed, 'instance') : `${placed} of ${counted(capacity, 'instance')}`,
    workers.length === 0 ? 'no worker' : `${counted(workers.length, 'worker')} of build ${builds.join(', ')}`,
    ...Object.entries(labels).map(([label, value]) => `${label}=${value}`),
  ];
  return facts.join(' · ');
}

function progressOf({ left, moving, waiting }: NonNullable<Host['drain']>): string {
  if (left === 0) return 'Nothing is left: its agents_worker can be ended.';
  const parts = [`${left} left`, `${moving} moving`, waiting > 0 && `${waiting} waiting, because no other host fits`];
  return parts.filter(Boolean).join(', ');
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

function confirmDrain({ name, placed }: Host): Promise<FormData | undefined> {
  return confirm({
    title: `Drain ${name}?`,
    content: (
      <>
        <p>{`No instance is placed there any more, and ${placed === 1 ? 'its one instance moves' : `its ${placed} instances move`} to other hosts. Each is stopped and started again.`}</p>
        <Field id="at-once" label="Instances that move at the same time">
          <input type="number" id="at-once" name="at_once" min={1} max={100_000} value={1} required />
        </Field>
      </>
    ),
    action: 'Drain',
  });
}

function confirmForgetting({ name, placed }: Host): Promise<FormData | undefined> {
  return confirm({
    title: `Forget ${name}?`,
    content: (
      <p>{`Its ${counted(placed, 'instance')} will run on other hosts at once. Confirm only if you know that no agent runs on ${name} any more, because the machine is gone or switched off: otherwise an instance has two agents.`}</p>
    ),
    action: 'Forget',
    isDangerous: true,
  });
}
