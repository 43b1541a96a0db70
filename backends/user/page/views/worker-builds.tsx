import type { WorkerBuild } from '../api/types.ts';
import { addressOf } from '../router.ts';
import { Ago } from '../ui/format.tsx';
import { Badge } from '../ui/marks.tsx';
import { Rows } from '../ui/rows.tsx';

/** The builds of agents_worker that were seen, with whom they serve. */
export function WorkerBuilds({ builds }: { builds: readonly WorkerBuild[] }) {
  return (
    <Rows
      items={builds}
      label="Builds"
      row={(build) => <BuildRow key={`${build.deployment_name} ${build.build_id}`} build={build} />}
      empty={<p>No build was seen. Start an agents_worker with a deployment name and a build id.</p>}
    />
  );
}

function BuildRow({ build }: { build: WorkerBuild }) {
  const { deployment_name: name, build_id: id, is_current: isCurrent, is_running: isRunning } = build;
  return (
    <li class="row" data-build={id}>
      <div class="row-state stack small">
        <StateOf build={build} />
      </div>
      <div class="row-main">
        <p class="line">
          <span class="strong">{id}</span>
          <span class="small quiet">{name}</span>
        </p>
        <p class="small quiet">{isRunning ? 'Its workers run.' : 'None of its workers runs.'}</p>
      </div>
      <p class="row-time small quiet">
        first seen <Ago at={build.first_seen_at} />
      </p>
      {!isCurrent && isRunning && (
        <div class="row-actions line">
          <a class="button" href={addressOf(['deployments', 'new'], { name, build: id })}>
            Deploy …<span class="unseen">{` ${id}`}</span>
          </a>
        </div>
      )}
    </li>
  );
}

function StateOf({ build }: { build: WorkerBuild }) {
  const { is_current: isCurrent, ramping_percentage: percentage, is_running: isRunning } = build;
  if (isCurrent) return <Badge state={isRunning ? 'running' : 'failed'} word="current" />;
  if (percentage !== null) return <Badge state="ramping" word={`${percentage} %`} />;
  return <Badge state="stopped" word={isRunning ? 'idle' : 'gone'} />;
}
