import type { Agent, AgentVersion } from '../api/types.ts';
import { addressOf } from '../router.ts';
import { Ago } from '../ui/format.tsx';
import { Badge } from '../ui/marks.tsx';
import { Rows } from '../ui/rows.tsx';

/** The versions of an agent, with the number of instances that have each and that run it. */
export function AgentVersions({ agent, versions }: { agent: Agent; versions: readonly AgentVersion[] }) {
  return (
    <Rows
      items={versions}
      label="Versions"
      row={(version) => <VersionRow key={version.version} agent={agent} version={version} />}
      empty={<p>No version is published.</p>}
    />
  );
}

function VersionRow({ agent, version: row }: { agent: Agent; version: AgentVersion }) {
  const canBeRolledOut = row.withdrawn_at === null && agent.retired_at === null;
  const { version, is_newest: isNewest, capabilities, withdrawn_reason: reason, published_at: publishedAt } = row;
  return (
    <li class="row" data-version={version}>
      <div class="row-state stack small">
        <StateOf version={row} />
      </div>
      <div class="row-main">
        <p class="line">
          <span class="strong">{version}</span>
          {isNewest && <span class="tag inline">newest</span>}
        </p>
        <p class="small quiet">
          {[usesOf(row), capabilities.length > 0 && `can: ${capabilities.join(', ')}`].filter(Boolean).join(' · ')}
        </p>
        {reason !== null && <p class="small">{reason}</p>}
      </div>
      <p class="row-time small quiet">
        published <Ago at={publishedAt} />
      </p>
      {canBeRolledOut && (
        <div class="row-actions line">
          <a class="button" href={addressOf(['agents', agent.id, 'rollout'], { version })}>
            Roll out …<span class="unseen">{` ${version}`}</span>
          </a>
        </div>
      )}
    </li>
  );
}

function StateOf({ version: { is_stable: isStable, withdrawn_at: withdrawnAt } }: { version: AgentVersion }) {
  if (withdrawnAt !== null) return <Badge state="failed" word="withdrawn" />;
  return isStable ? <Badge state="running" word="stable" /> : <Badge state="stopped" word="published" />;
}

function usesOf({ instances, running }: AgentVersion): string {
  return `${instances} ${instances === 1 ? 'instance' : 'instances'}, ${running === 1 ? '1 runs' : `${running} run`} it`;
}
