import type { DesiredState } from '../../contracts/names.ts';
import { agentKinds, type AgentName } from './agents.ts';

/** `draining`: retired, and its instances are to end. */
export type AgentState = 'unpublished' | 'published' | 'retired' | 'draining';

/** How an instance whose row is there can come to rest: a status, with the reason that goes with it. */
export type Outcome =
  'running' | 'stopped' | 'drained' | 'agentUnknown' | 'agentRetired' | 'agentExited' | 'specRejected';

export interface ModelRow {
  agent: AgentName;
  desired: DesiredState;
  /** A number in the config, which differs between the generations of a sequence. */
  version: number;
}

/** One instance and its agents, as a user knows them. */
export interface Model {
  agents: Record<AgentName, AgentState>;
  row: ModelRow | undefined;
  /** The outcomes that are possible if nothing more is done: exactly one at rest, and none without a row. */
  outcomes: readonly Outcome[];
  /** Nothing is under way any more, so the next command meets a known state. */
  atRest: boolean;
  /** False where workers are killed, so that nobody may see the end of an agent. */
  watched: boolean;
  /** Events were delivered once more since it was last at rest. */
  redelivered: boolean;
  /** Its workflow was terminated since it was last at rest: left to the sweeper. */
  terminated: boolean;
  /** Its workflow was terminated after its row was deleted: maybe before it said `stopped`, maybe after. */
  finalStatusMayBeMissing: boolean;
  versions: number;
  /** The generation of the row. */
  generation: number;
}

export function initialModel({ watched }: { watched: boolean }): Model {
  const agents = Object.entries(agentKinds).map(([name, kind]) => [
    name,
    kind.publishedAtFirst ? 'published' : 'unpublished',
  ]);
  return {
    agents: Object.fromEntries(agents) as Model['agents'],
    row: undefined,
    outcomes: [],
    atRest: true,
    watched,
    redelivered: false,
    terminated: false,
    finalStatusMayBeMissing: false,
    versions: 0,
    generation: 0,
  };
}

export function insert(model: Model, agent: AgentName, desired: DesiredState): void {
  model.versions += 1;
  model.row = { agent, desired, version: model.versions };
  model.finalStatusMayBeMissing = false;
  begin(model);
}

/** A row of an old id begins above every generation that was. */
export function begins(model: Model, generation: number): void {
  if (generation <= model.generation) throw new Error(`generation ${generation} does not follow ${model.generation}`);
  model.generation = generation;
}

/** A new generation clears what kept the previous one from running. */
export function change(model: Model, changes: Partial<Pick<ModelRow, 'agent' | 'desired' | 'version'>>): void {
  if (!model.row) throw new Error('there is no row');
  model.generation += 1;
  model.row = { ...model.row, ...changes };
  begin(model);
}

export function remove(model: Model): void {
  model.row = undefined;
  model.terminated = false;
  begin(model);
}

/** A retry clears only failures that have happened already. A failure under way may come after the retry. */
export function retry(model: Model): void {
  become(model, (outcome) => {
    const cleared = outcome === 'running' || outcome === 'agentUnknown' ? [outcome] : anew(model);
    return model.atRest ? cleared : [outcome, ...cleared];
  });
  model.atRest = false;
}

/**
 * The workflow's memory is gone, so the next run tries anew. What runs on a retired agent goes on when the new run finds
 * its row as it was, which it does unless something else was under way or an old event comes first.
 */
export function terminate(model: Model): void {
  if (model.row) {
    const goesOn = model.outcomes.includes('running') && model.agents[model.row.agent] === 'retired';
    const certain = model.atRest && !model.redelivered;
    begin(model);
    if (goesOn) model.outcomes = certain ? ['running'] : union([...model.outcomes, 'running']);
    model.terminated = true;
  } else {
    model.finalStatusMayBeMissing = true;
    model.atRest = false;
  }
}

/** A process that runs the row's generation ended; that of an earlier generation changes nothing. */
export function agentEnded(model: Model, how: 'killed' | 'exited0'): void {
  if (!model.row) return;
  const { restart } = agentKinds[model.row.agent];
  const restarts = restart === 'always' || (restart === 'on_failure' && how === 'killed');
  // Before it counts as running, its end is a failed attempt of provisioning, which is repeated; so is a start whose end
  // nobody saw, and an exit code that nobody saw counts as a failure. An attempt reads anew what became of the agent.
  const certain = model.atRest && model.watched;
  const repeated: Outcome[] =
    !model.atRest && model.agents[model.row.agent] === 'retired' ? ['running', 'agentRetired'] : ['running'];
  become(model, (outcome) => {
    if (outcome === 'running') return restarts ? repeated : ['agentExited', ...(certain ? [] : repeated)];
    // The drain was under way when the agent ended: whichever the workflow saw first.
    if (outcome === 'drained') return restarts ? ['drained'] : ['drained', 'agentExited'];
    return [outcome];
  });
  model.atRest = false;
}

export function publish(model: Model, agent: AgentName): void {
  model.agents[agent] = 'published';
  if (model.row?.agent === agent) become(model, (outcome) => (outcome === 'agentUnknown' ? anew(model) : [outcome]));
}

/** Of an agent that was retired. What failed or ended meanwhile stays so; what had not begun yet may see either. */
export function takeBack(model: Model, agent: AgentName): void {
  model.agents[agent] = 'published';
  if (model.row?.agent !== agent || model.atRest) return;
  become(model, (outcome) => (outcome === 'agentRetired' ? [outcome, ...anew(model)] : [outcome]));
}

export function retire(model: Model, agent: AgentName, { drain }: { drain: boolean }): void {
  model.agents[agent] = drain ? 'draining' : 'retired';
  if (model.row?.agent !== agent) return;
  if (model.atRest) {
    if (drain) become(model, (outcome) => [outcome === 'running' ? 'drained' : outcome]);
    return;
  }
  // Whether provisioning, or the end of it, or the retirement comes first.
  become(model, (outcome) => {
    switch (outcome) {
      case 'running':
        return [drain ? 'drained' : 'running', 'agentRetired'];
      case 'specRejected':
        return [outcome, 'agentRetired', ...(drain ? (['drained'] as const) : [])];
      case 'agentRetired':
      case 'agentExited':
        return [outcome, ...(drain ? (['drained'] as const) : [])];
      case 'drained':
      case 'stopped':
      case 'agentUnknown':
        return [outcome];
    }
  });
}

export function rest(model: Model, outcome: Outcome | undefined): void {
  model.outcomes = outcome ? [outcome] : [];
  model.atRest = true;
  model.redelivered = false;
  model.terminated = false;
}

function begin(model: Model): void {
  model.outcomes = anew(model);
  model.atRest = false;
}

/** The outcomes of a generation that has not run before. */
function anew({ row, agents }: Model): Outcome[] {
  if (!row) return [];
  if (row.desired === 'stopped') return ['stopped'];
  switch (agents[row.agent]) {
    case 'unpublished':
      return ['agentUnknown'];
    case 'published':
      return [agentKinds[row.agent].runs ? 'running' : 'specRejected'];
    case 'retired':
      return ['agentRetired'];
    case 'draining':
      // Whether provisioning or the event of the retirement, which may be late or repeated, comes first.
      return ['agentRetired', 'drained'];
  }
}

/** Rest ends when anything changes. */
function become(model: Model, next: (outcome: Outcome) => readonly Outcome[]): void {
  const { row, outcomes } = model;
  if (!row || row.desired === 'stopped') return;
  const changed = union(outcomes.flatMap(next));
  if (model.atRest && changed.length === 1 && changed[0] === outcomes[0]) return;
  model.outcomes = changed;
  model.atRest = false;
}

function union(outcomes: readonly Outcome[]): Outcome[] {
  return [...new Set(outcomes)];
}
