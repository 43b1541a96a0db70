import { z } from 'zod';
import { instanceView, type InstanceView } from '../database/instances/view.ts';
import type { RuntimeDescription } from '../runtimes/runtime.ts';
import { logTimeline } from './event-log.ts';
import { missingParts, partNames, valueOf, type Findings, type Host } from './findings.ts';
import { runtimeTimeline } from './runtime.ts';
import { deadLetterTimeline } from './dead-letter-timeline.ts';
import { sortTimeline, timelineSources, type TimelineEntry } from './timeline.ts';
import { verdictStates, type Verdict } from './verdict-form.ts';

const time = z.iso.datetime().meta({ description: 'Time in UTC with milliseconds.' });

const runtimeView = z.object({
  phase: z.enum(['starting', 'running', 'stopping', 'ended', 'unknown']).meta({
    description: '`ended`: nothing runs. `unknown`: the record of the agent cannot be read.',
  }),
  where: z
    .string()
    .optional()
    .meta({ description: 'Where the agent runs or ran, e.g. the pod, its namespace and its node.' }),
  status: z.string().optional().meta({
    description:
      'What the engine or the cluster says beyond the phase, e.g. why a pod does not run yet, or how it ended.',
  }),
  inspect: z.string().optional().meta({ description: 'Command that shows more.' }),
  generation: z.int().optional().meta({ description: 'Generation of the row when the agent started.' }),
  pid: z.int().optional(),
  since: time.optional().meta({ description: 'When the phase began, if known.' }),
  output: z
    .object({ text: z.string(), at: time })
    .optional()
    .meta({ description: 'Last lines that the agent printed, and when.' }),
  runtime_id: z.string().optional().meta({ description: 'Id of this start of the agent.' }),
});

/** The output of `npx instances explain --json`. */
export const explanation = z.object({
  instance_id: z.string(),
  verdict: z
    .object({
      state: z.enum(verdictStates).meta({
        description:
          '`waiting`: the engine waits for something. `stuck`: nothing happens until a person does what the sentence ' +
          'says. `unknown`: too many parts could not be read.',
      }),
      sentence: z.string().meta({ description: 'Sentence for a person that says since when, why, and what to do.' }),
    })
    .meta({ description: 'State of the instance.' }),
  row: instanceView
    .extend({ created_at: time, updated_at: time })
    .nullable()
    .meta({ description: 'Null when the row is deleted or could not be read.' }),
  host: z
    .object({
      id: z.string(),
      name: z.string(),
      is_here: z.boolean().meta({ description: 'Whether it is the host of the caller, which `runtime` describes.' }),
      lease_holds: z.boolean().meta({ description: 'False when the host is lost.' }),
      lease_until: time,
    })
    .nullable()
    .meta({
      description:
        'Host that the instance is placed on; null when there is none, it could not be read, or the caller is a user.',
    }),
  runs_as: z.string().nullable().meta({
    description:
      'Where its agent runs, or ran last, e.g. `process 4711` or the name of a pod with its namespace and node; null if that is not known.',
  }),
  runtime: runtimeView
    .nullable()
    .meta({ description: 'Null when no runtime keeps anything for the instance, or when it could not be read.' }),
  earlier_lines: z.int().nonnegative().meta({ description: 'Number of lines that were read but are not shown.' }),
  timeline: z
    .array(
      z.object({
        time: time.nullable().meta({ description: 'Time by the clock of its source; null when it was not recorded.' }),
        source: z.enum(timelineSources),
        text: z.string().meta({ description: 'Has several lines when it quotes the output of an agent.' }),
        bad: z.boolean().meta({ description: 'Whether something went wrong.' }),
        build: z
          .string()
          .optional()
          .meta({ description: 'Build of agents_worker that did it. Absent where workers have no builds.' }),
      }),
    )
    .meta({ description: 'Oldest first. Lines without a time come last.' }),
  missing: z
    .array(z.object({ part: z.enum(Object.values(partNames)), reason: z.string() }))
    .meta({ description: 'Parts of the system that could not be read.' }),
  not_looked_at: z.array(z.string()).meta({ description: 'Data that was too large to read, in words.' }),
});
export type Explanation = z.infer<typeof explanation>;

export function toExplanation(findings: Findings, verdict: Verdict, last: number): Explanation {
  const lines = linesOf(findings);
  const shown = lines.slice(-last);
  const row = valueOf(findings.database)?.row;
  const { host } = findings;
  const runtime = valueOf(findings.runtime);
  return {
    instance_id: findings.instanceId,
    verdict,
    row: row ? rowToJson(row) : null,
    host: host ? hostToJson(host) : null,
    runs_as: runsAs(findings) ?? null,
    runtime: runtime ? runtimeToJson(runtime) : null,
    earlier_lines: lines.length - shown.length,
    timeline: shown.map(({ time: at, bad = false, ...line }) => ({ ...line, time: at?.toISOString() ?? null, bad })),
    missing: missingParts(findings),
    not_looked_at: notLookedAt(findings),
  };
}

/** The host of the caller knows what runs now, and the workflow what was started last, on whatever host. */
function runsAs({ host, runtime, workflow }: Findings): string | undefined {
  const here = host?.isHere === false ? undefined : valueOf(runtime)?.where;
  return here ?? valueOf(workflow)?.runsAs;
}

function linesOf(findings: Findings): TimelineEntry[] {
  const database = valueOf(findings.database);
  const deadLetters = valueOf(findings.deadLetters);
  const runtime = valueOf(findings.runtime);
  return sortTimeline([
    ...(database ? logTimeline(database.log) : []),
    ...(deadLetters ? deadLetterTimeline(deadLetters) : []),
    ...(valueOf(findings.workflow)?.timeline ?? []),
    ...(runtime ? runtimeTimeline(runtime) : []),
  ]);
}

function rowToJson({ created_at: created, updated_at: updated, ...row }: InstanceView) {
  return { ...row, created_at: created.toISOString(), updated_at: updated.toISOString() };
}

function hostToJson({ id, name, isHere, leaseHolds, leaseUntil }: Host) {
  return { id, name, is_here: isHere, lease_holds: leaseHolds, lease_until: leaseUntil.toISOString() };
}

function runtimeToJson({ runtimeId, since, output, ...others }: RuntimeDescription) {
  return {
    ...others,
    ...(since && { since: since.toISOString() }),
    ...(output && { output: { text: output.text, at: output.at.toISOString() } }),
    ...(runtimeId !== undefined && { runtime_id: runtimeId }),
  };
}

function notLookedAt({ deadLetters, workflow }: Findings): string[] {
  const unreadRuns = valueOf(workflow)?.unreadRuns ?? 0;
  return [
    ...(valueOf(deadLetters)?.notes ?? []),
    ...(unreadRuns > 0 ? [`${unreadRuns} earlier runs of the workflow (give a larger --last)`] : []),
  ];
}
