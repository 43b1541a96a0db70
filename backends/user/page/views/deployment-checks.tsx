import type { Deployment } from '../api/types.ts';
import { addressOf } from '../router.ts';
import { ShortIds } from '../ui/format.tsx';
import { Badge } from '../ui/marks.tsx';
import { Empty, Rows } from '../ui/rows.tsx';

/** What came of the replay of the open histories by the candidate. */
export function DeploymentGate({ deployment: { gate } }: { deployment: Deployment }) {
  if (gate === null) {
    return (
      <Empty>
        <p>The candidate has not replayed the open histories.</p>
      </Empty>
    );
  }
  return (
    <div class="panel stack" data-gate={gate.failed}>
      <p class="line">
        <Badge
          state={gate.failed + gate.problems.length > 0 ? 'failed' : 'healthy'}
          word={gate.failed + gate.problems.length > 0 ? 'broken' : 'passed'}
        />
        <span>{`${gate.replayed} histories were replayed, ${gate.failed} cannot be replayed.`}</span>
      </p>
      {gate.problems.map((problem) => (
        <p key={problem} class="small">
          {problem}
        </p>
      ))}
      {gate.examples.map(({ workflow_id: workflow, run_id: run, message }) => (
        <p key={run} class="small">
          <WorkflowLink id={workflow} />
          {`: ${message}`}
        </p>
      ))}
    </div>
  );
}

const effects = {
  start: 'agents that would start',
  restart: 'agents that would be replaced',
  stop: 'agents that would stop',
  record: 'statuses that would change',
  end: 'workflows that would end',
};

/** What the candidate would do with the live instances at their next task. */
export function BlastRadius({ deployment: { blast_radius: blast } }: { deployment: Deployment }) {
  if (blast === null) {
    return (
      <Empty>
        <p>It is not known what the candidate would do with the instances.</p>
      </Empty>
    );
  }
  const counts = Object.entries(effects).flatMap(([effect, words]) => {
    const count = blast.effects[effect as keyof typeof effects] ?? 0;
    return count > 0 ? [`${words}: ${count}`] : [];
  });
  return (
    <div class="panel stack" data-blast-radius={blast.changed}>
      <p class="line">
        <Badge
          state={blast.disruptive > 0 ? 'failed' : 'healthy'}
          word={blast.disruptive > 0 ? 'disruptive' : 'calm'}
        />
        <span>
          {`Of ${blast.examined} instances, the candidate would do something with ${blast.changed} at their next task, ` +
            `and restart or stop ${blast.disruptive}.`}
        </span>
      </p>
      {counts.length > 0 && <p class="small quiet">{counts.join(' · ')}</p>}
      {blast.examples.map(({ workflow_id: workflow, effect }) => (
        <p key={workflow} class="small">
          <WorkflowLink id={workflow} />
          {`: ${effect}`}
        </p>
      ))}
    </div>
  );
}

/** The steps of the strategy, and which of them were taken. */
export function DeploymentSteps({ deployment }: { deployment: Deployment }) {
  const { steps } = deployment;
  return (
    <Rows
      items={steps.map((percentage, place) => ({ percentage, step: place + 1 }))}
      label="Steps"
      isOrdered
      row={({ percentage, step }) => (
        <li key={step} class="row" data-step={step}>
          <div class="row-state stack small">
            <Badge {...stateOf(deployment, step)} />
          </div>
          <p class="row-main">{`${percentage} % of the instances`}</p>
        </li>
      )}
      empty={<p>The strategy cannot be followed.</p>}
    />
  );
}

function stateOf({ status, step: taken, promoted_at: promotedAt }: Deployment, step: number) {
  const isBack = ['rolling_back', 'rolled_back', 'aborted', 'refused'].includes(status);
  if (isBack) return step <= taken ? { state: 'reverted', word: 'taken back' } : { state: 'left', word: 'not taken' };
  if (promotedAt !== null || step < taken) return { state: 'healthy', word: 'done' };
  return step === taken ? { state: 'pending', word: 'now' } : { state: 'queued', word: 'to come' };
}

function WorkflowLink({ id }: { id: string }) {
  const instance = /^instance\/([\da-f-]{36})$/.exec(id)?.[1];
  return instance === undefined ? (
    <ShortIds in={id} />
  ) : (
    <a href={addressOf(['instances', instance])}>
      <ShortIds in={id} />
    </a>
  );
}
