import { setTimeout as delay } from 'node:timers/promises';
import type { AsyncCommand } from 'fast-check';
import type { AgentName } from './agents.ts';
import type { Life } from './life.ts';
import * as expected from './model.ts';
import type { Model } from './model.ts';
import { untilAtRest } from './rest.ts';

export type Command = AsyncCommand<Model, Life>;

interface Action {
  /** The command as it is printed. The statistics count commands by their first word. */
  name: string;
  when: (model: Readonly<Model>) => boolean;
  /** Resolves to false when the command did not apply. */
  run: (model: Model, life: Life) => Promise<unknown>;
}

function command({ name, when, run }: Action): Command {
  return {
    check: (model) => when(model),
    run: async (model, life) => {
      if ((await run(model, life)) !== false) life.system.count(name.split(' ')[0] ?? name);
    },
    toString: () => name,
  };
}

function hasRow({ row }: Readonly<Model>): boolean {
  return row !== undefined;
}

export function insert([agent, desired]: [AgentName, 'running' | 'stopped']): Command {
  return command({
    name: `insert ${agent} ${desired}`,
    when: (model) => !model.row,
    run: async (model, life) => {
      expected.insert(model, agent, desired);
      expected.begins(model, await life.insert(agent, desired, model.versions));
    },
  });
}

export function configure(): Command {
  return command({
    name: 'configure',
    when: hasRow,
    run: async (model, life) => {
      model.versions += 1;
      expected.change(model, { version: model.versions });
      await life.configure(model.versions);
    },
  });
}

export function move(agent: AgentName): Command {
  return command({
    name: `move to ${agent}`,
    when: ({ row }) => row !== undefined && row.agent !== agent,
    run: async (model, life) => {
      expected.change(model, { agent });
      await life.move(agent);
    },
  });
}

export function toggle(): Command {
  return command({
    name: 'toggle the desired state',
    when: hasRow,
    run: async (model, life) => {
      const desired = model.row?.desired === 'running' ? 'stopped' : 'running';
      expected.change(model, { desired });
      await life.desire(desired);
    },
  });
}

export function remove(): Command {
  return command({
    name: 'delete',
    when: hasRow,
    run: async (model, life) => {
      expected.remove(model);
      await life.remove();
    },
  });
}

export function retry(): Command {
  return command({
    name: 'retry',
    when: hasRow,
    run: async (model, life) => {
      expected.retry(model);
      await life.retry();
    },
  });
}

/** Publishes an agent for the first time, or a new version of it. */
export function publish(): Command {
  return command({
    name: 'publish',
    when: ({ row, agents }) => row !== undefined && ['unpublished', 'published'].includes(agents[row.agent]),
    run: async (model, life) => {
      if (!model.row) return;
      expected.publish(model, model.row.agent);
      await life.publish(model.row.agent);
    },
  });
}

export function retire(drain: boolean): Command {
  return command({
    name: `retire${drain ? ' and drain' : ''}`,
    when: ({ row, agents }) =>
      row !== undefined && (agents[row.agent] === 'published' || (agents[row.agent] === 'retired' && drain)),
    run: async (model, life) => {
      if (!model.row) return;
      expected.retire(model, model.row.agent, { drain });
      await life.retire(model.row.agent, drain);
    },
  });
}

export function takeBack(): Command {
  return command({
    name: 'take-back the retirement',
    when: ({ row, agents, atRest, outcomes }) => {
      if (!row) return false;
      const state = agents[row.agent];
      // A drain cannot be taken back. It must have ended, or must not matter, before the agent is published again.
      const drained = atRest && (outcomes[0] === 'drained' || outcomes[0] === 'stopped');
      return state === 'retired' || (state === 'draining' && drained);
    },
    run: async (model, life) => {
      if (!model.row) return;
      expected.takeBack(model, model.row.agent);
      await life.publish(model.row.agent);
    },
  });
}

export interface Ending {
  how: 'kill' | 'exit';
  afterRest: boolean;
}

export function end({ how, afterRest }: Ending): Command {
  return command({
    name: `${how}-agent${afterRest ? ' that is at rest' : ''}`,
    when: ({ row }) => row?.desired === 'running',
    run: async (model, life) => {
      if (afterRest && !model.atRest) await untilAtRest(model, life);
      const ended = await life[how]();
      if (!ended) {
        if (model.atRest && model.outcomes[0] === 'running') throw new Error(`there is no agent to ${how}`);
        return false;
      }
      if (ended.version !== undefined && ended.version !== model.row?.version) return true;
      expected.agentEnded(model, how === 'kill' ? 'killed' : 'exited0');
      return true;
    },
  });
}

export function terminate(): Command {
  return command({
    name: 'terminate-workflow',
    when: ({ row, atRest }) => row !== undefined || !atRest,
    run: async (model, life) => {
      await life.terminate();
      expected.terminate(model);
    },
  });
}

/** Changes nothing: events may come in any order and any number of times. */
export function redeliver(picks: number[]): Command {
  return command({
    name: `redeliver ${picks.join(' ')}`,
    when: () => true,
    run: (model, life) => {
      // An event of a deleted row starts a run, which finds no row and ends.
      if (!model.row) model.atRest = false;
      model.redelivered = true;
      return life.redeliver(picks);
    },
  });
}

export function pause(ms: number): Command {
  return command({ name: `pause ${ms}`, when: ({ atRest }) => !atRest, run: () => delay(ms) });
}

export function rest(): Command {
  return command({ name: 'rest', when: ({ atRest, redelivered }) => !atRest || redelivered, run: untilAtRest });
}
