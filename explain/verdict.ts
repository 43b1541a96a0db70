import type { InstanceView } from '../database/instances/view.ts';
import type { RowVersion } from './event-log.ts';
import { missingParts, valueOf, wasRead, type Findings } from './findings.ts';
import { hostIsLost, onAnotherHost } from './host-words.ts';
import { agentInWords, closerLook } from './agent-words.ts';
import { onTheWay } from './on-the-way.ts';
import { stuck, waiting, type Verdict, type VerdictOptions } from './verdict-form.ts';
import { activityNow, unattended } from './workflow-progress.ts';

/** Judges the state of an instance and says what to do. Undefined when no part knows the instance. */
export function judge(findings: Findings, options: VerdictOptions): Verdict | undefined {
  const database = valueOf(findings.database);
  if (!database) return withoutDatabase(findings, options);
  const { row, log } = database;
  if (!row && log.length === 0) return isKnown(findings) ? orphan(findings) : undefined;
  return (
    onTheWay(log, findings, options) ?? (row ? ofRow(row, log, findings, options) : ofDeleted(log, findings, options))
  );
}

function isKnown(findings: Findings): boolean {
  const { workflow, runtime, deadLetters } = findings;
  const letters = valueOf(deadLetters)?.letters ?? [];
  return Boolean(valueOf(workflow) ?? valueOf(runtime)) || letters.length > 0 || missingParts(findings).length > 0;
}

function orphan(findings: Findings): Verdict {
  const missing = missingParts(findings).map(({ part }) => part);
  const also = missing.length > 0 ? `, and could not be read: ${missing.join(', ')}` : '';
  return { state: 'unknown', sentence: `the database has never had a row of it${also}.` };
}

function withoutDatabase({ workflow }: Findings, { formatTime }: VerdictOptions): Verdict {
  const found = valueOf(workflow);
  if (!found)
    return { state: 'unknown', sentence: 'neither its row nor a workflow of it can be read: bring PostgreSQL back.' };
  const { status, instanceStatus = 'unknown', closeTime } = found;
  const ended = closeTime ? ` and the run is ${status} since ${formatTime(closeTime)}` : '';
  return {
    state: 'unknown',
    sentence: `its workflow last said ${instanceStatus}${ended}; the row cannot be read: bring PostgreSQL back.`,
  };
}

function ofRow(row: InstanceView, log: RowVersion[], findings: Findings, options: VerdictOptions): Verdict {
  const { status, generation, observed_generation: observed, reason, id } = row;
  const { formatTime, actions } = options;
  const since = formatTime(sinceWhen(row, log));
  if (observed === generation) {
    switch (status) {
      case 'failed':
        return {
          state: 'failed',
          sentence: `failed since ${since}: ${reasonOf(row)} To try again: ${actions.retry(id)}, or change its config.`,
        };
      case 'stopped':
        return {
          state: 'stopped',
          sentence: `stopped since ${since}${reason ? `: ${reasonOf(row)}` : ', as desired.'}`,
        };
      case 'running':
        return runningVerdict(row, since, findings, options);
      case 'pending':
        if (reason?.code === 'host_lost')
          return waiting(hostIsLost(findings, options) ?? `its host: ${reason.message}`);
        if (reason?.code === 'no_host') return waiting(`a host: ${reason.message} To find one: ${actions.findHost()}.`);
        if (reason?.code === 'moving') return waiting(`its move to another host: ${reason.message}`);
        if (reason?.code === 'agent_unknown')
          return waiting(`its agent: ${reason.message} Publish it (see examples/README.md).`);
        if (reason?.code === 'restarting')
          return waiting(
            `its restart (${reasonOf(row)}): ${actions.retry(id)} skips the pause.${agentUnderWay(findings)}`,
          );
    }
  }
  return underWay(row, findings, options);
}

function runningVerdict(
  { generation, id }: InstanceView,
  since: string,
  findings: Findings,
  options: VerdictOptions,
): Verdict {
  const { runtime, workflow } = findings;
  const lost = hostIsLost(findings, options);
  if (lost !== undefined) return waiting(lost);
  const elsewhere = onAnotherHost(findings);
  const agent = elsewhere === '' ? valueOf(runtime) : undefined;
  const running = `running generation ${generation} since ${since}${elsewhere}`;
  const noWorkflow = unattended(valueOf(workflow));
  if (wasRead(workflow) && noWorkflow)
    return waiting(`the sweeper of agents_worker, which starts a workflow again: ${running}, but ${noWorkflow}.`);
  if (elsewhere === '' && wasRead(runtime) && agent?.phase !== 'running') {
    const found = agent ? `its agent ${agentInWords(agent)}` : 'nothing of it is on this host';
    const advice = `see that agents_worker runs, then ${options.actions.explain(id)} again.${closerLook(agent)}`;
    return stuck(`${running}, but ${found}: ${advice}`);
  }
  return { state: 'running', sentence: `${running}${agent?.where === undefined ? '' : ` as ${agent.where}`}.` };
}

/** The verdict while the status does not show the desired state yet. */
function underWay(row: InstanceView, findings: Findings, options: VerdictOptions): Verdict {
  const { workflow } = findings;
  const lost = hostIsLost(findings, options);
  if (lost !== undefined) return waiting(lost);
  const goal = `generation ${row.generation} to be ${row.desired_state}`;
  if (!workflow) return waiting(`${goal}.`);
  if ('missing' in workflow) return waiting(`${goal}; what its workflow does cannot be read: bring Temporal back.`);
  const found = workflow.value;
  const noWorkflow = unattended(found);
  if (noWorkflow)
    return waiting(`${goal}, but ${noWorkflow}: see that agents_worker runs and reaches RabbitMQ and Temporal.`);
  return waiting(`${goal}: ${found ? activityNow(found, options) : ''}${agentUnderWay(findings)}`);
}

/** What the host of the caller knows of an agent that does not run yet, or is about to end. */
function agentUnderWay(findings: Findings): string {
  const agent = onAnotherHost(findings) === '' ? valueOf(findings.runtime) : undefined;
  if (agent?.where === undefined || agent.phase === 'running') return '';
  return ` Its agent ${agentInWords(agent)}.${closerLook(agent)}`;
}

function ofDeleted(log: RowVersion[], findings: Findings, options: VerdictOptions): Verdict {
  const { workflow, runtime } = findings;
  const last = log.at(-1);
  const since = last ? options.formatTime(last.occurred_at) : '?';
  if (last?.change === 'update') {
    const agent = valueOf(runtime);
    if (agent?.phase === 'running')
      return stuck(`deleted and recorded as cleaned up at ${since}, but its agent still runs.`);
    return { state: 'deleted', sentence: `deleted; cleaned up since ${since}.` };
  }
  const lost = hostIsLost(findings, options);
  if (lost !== undefined) return waiting(`its clean-up, since its row was deleted at ${since}, on ${lost}`);
  const found = valueOf(workflow);
  const noWorkflow = wasRead(workflow) ? unattended(found) : undefined;
  if (noWorkflow)
    return stuck(
      `deleted at ${since}, but ${noWorkflow}: see that agents_worker runs and reaches RabbitMQ and Temporal.`,
    );
  return waiting(
    `its clean-up, since its row was deleted at ${since}${found ? `: ${activityNow(found, options)}` : '.'}`,
  );
}

/** When the row got its present status. */
function sinceWhen(row: InstanceView, log: RowVersion[]): Date {
  const before = log.findLastIndex(
    (entry) => entry.row.status !== row.status || entry.row.observed_generation !== row.observed_generation,
  );
  return log[before + 1]?.occurred_at ?? row.updated_at;
}

function reasonOf({ reason }: InstanceView): string {
  if (!reason) return 'it gave no reason.';
  // The timeline has the output of the agent.
  const [sentence] = reason.message.split(/\n| Its last output:| It printed nothing/);
  return `${reason.code}: ${sentence}`;
}
