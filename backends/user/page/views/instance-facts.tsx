import type { ComponentChildren } from 'preact';
import type { Instance } from '../api/types.ts';
import { addressOf } from '../router.ts';
import { useSession } from '../session.ts';
import { Ago, Id, shortId, ShortIds, Time } from '../ui/format.tsx';
import { Badge, pendingChange } from '../ui/marks.tsx';
import { ActionButtons, agentLabel, DeleteButton } from './instance-actions.tsx';
import { VersionFact } from './version-fact.tsx';

interface InstanceHeadProps {
  id: string;
  /** Undefined when the instance is deleted, or not loaded yet. */
  instance: Instance | undefined;
  isLoaded: boolean;
}

/** Heading, state and actions. The heading stays the same element, so that it keeps the focus. */
export function InstanceHead({ id, instance, isLoaded }: InstanceHeadProps) {
  const note = instance && pendingChange(instance);
  return (
    <div class="heading line between">
      <div>
        {isLoaded && (
          <a class="back inline small" href={addressOf(['instances'])}>
            Instances
          </a>
        )}
        <h1 key="heading">
          {isLoaded && instance ? agentLabel(instance) : 'Instance'} <Id of={id} />
        </h1>
        {isLoaded && (
          <p>
            <Badge state={instance?.status ?? 'deleted'} /> {note && <span class="quiet">{note}</span>}
          </p>
        )}
      </div>
      {isLoaded && instance && (
        <div class="line">
          <ActionButtons instance={instance} />
          <DeleteButton instance={instance} />
        </div>
      )}
    </div>
  );
}

interface InstanceFactsProps {
  id: string;
  instance: Instance | undefined;
  /** Where its agent runs, or ran last; null if that is not known. */
  runsAs: string | null;
}

/** What is known of an instance, and links to what else is. */
export function InstanceFacts({ id, instance, runsAs }: InstanceFactsProps) {
  const { settings, admin } = useSession();
  return (
    <>
      <dl>
        <Fact name="Id">
          <code>{id}</code>
        </Fact>
        {instance && <RowFacts instance={instance} runsAs={runsAs} />}
      </dl>
      <ul class="links stack">
        {settings.temporal_ui_url !== null && (
          <li>
            <a
              href={`${settings.temporal_ui_url}/${encodeURIComponent(`instance/${id}`)}`}
              target="_blank"
              rel="noreferrer"
            >
              Its workflow in the Web UI<span class="unseen"> (opens a new tab)</span> ↗
            </a>
          </li>
        )}
        {admin && (
          <li>
            <a href={addressOf(['audit'], { instance_id: id })}>Its audit trail</a>
          </li>
        )}
      </ul>
    </>
  );
}

function RowFacts({ instance, runsAs }: { instance: Instance; runsAs: string | null }) {
  const { me, admin } = useSession();
  const { generation, observed_generation: observed, user_id: owner } = instance;
  return (
    <>
      <Fact name="Agent">
        {agentLabel(instance)} <Id of={instance.agent_id} />
        {instance.agent_retired && <span class="tag inline">retired</span>}
      </Fact>
      {instance.agent_version !== null && (
        <Fact name="Version">
          <VersionFact instance={instance} />
        </Fact>
      )}
      {me.is_admin && (
        <Fact name="User">{owner === me.user_id ? 'you' : <code title={owner}>{shortId(owner)}</code>}</Fact>
      )}
      {instance.host_id !== null && (
        <Fact name="Host">
          {admin ? (
            <a href={addressOf(['hosts'])}>
              <Id of={instance.host_id} />
            </a>
          ) : (
            <Id of={instance.host_id} />
          )}
        </Fact>
      )}
      {runsAs !== null && (
        <Fact name={instance.status === 'running' ? 'Runs as' : 'Ran last as'}>
          <ShortIds in={runsAs} />
        </Fact>
      )}
      <Fact name="Wanted">{instance.desired_state}</Fact>
      <Fact name="Generation">
        {observed === generation ? generation : `${generation}, of which ${observed} has come about`}
      </Fact>
      <Fact name="Created">
        <Time at={instance.created_at} />
      </Fact>
      <Fact name="Changed">
        <Ago at={instance.updated_at} />
      </Fact>
    </>
  );
}

export function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </>
  );
}
