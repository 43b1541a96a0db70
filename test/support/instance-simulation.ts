import { toMessage } from '../../bridge/instance-router.ts';
import type { DesiredState } from '../../contracts/names.ts';
import { decide, type Effect } from '../../workflows/decide.ts';
import type { InstanceMessage, RowReading, RuntimeExited } from '../../workflows/messages.ts';
import { evolve, initialState, type InstanceEvent, type InstanceState } from '../../workflows/state.ts';
import { asIncoming, createRowModel } from './row-model.ts';

/** How an attempt ends: `answerLost` has done its work, but nobody learns of it. */
export type Ending = 'done' | 'failed' | 'error' | 'answerLost';

/** One thing that happens to the instance. What is impossible at the moment does nothing. */
export type Step =
  | { do: 'insert'; desiredState: DesiredState }
  | { do: 'changeConfig' | 'toggle' | 'remove' }
  /** `pick`, modulo their number, of all events so far: any order, any number of times. */
  | { do: 'deliver' | 'deliverExit'; pick: number }
  | { do: 'exit'; kind: RuntimeExited['kind'] }
  | { do: 'advance'; ending: Ending };

type InFlight =
  | { kind: 'provision'; generation: number; row: RowReading | undefined }
  | { kind: 'repeat'; effect: Exclude<Effect, { type: 'provision' | 'wait' | 'complete' }> }
  /** The inbox is read while a provisioning is under way, and waits while anything else is. */
  | { kind: 'answer'; event: InstanceEvent; absorbs: boolean };

interface SimulationOptions {
  /** Sees every step that the state takes. */
  onEvent?: (before: InstanceState, event: InstanceEvent, after: InstanceState) => void;
}

export type Simulation = ReturnType<typeof createSimulation>;

/** The loop of the workflow over the real decider, in a world of one row and at most one agent. */
export function createSimulation({ onEvent = () => {} }: SimulationOptions = {}) {
  const rows = createRowModel();
  const exits: { message: RuntimeExited; delivered: boolean }[] = [];
  /** Generations that the world said could not run, and those of which an agent was started. */
  const blamed = new Set<number>();
  const ran = new Set<number>();
  let agent: { runtimeId: string; generation: number; alive: boolean } | undefined;
  let started = 0;
  let lastWish: { sequence: number; delivered: boolean } | undefined;
  let run: { state: InstanceState; inbox: InstanceMessage[]; inFlight?: InFlight | undefined } | undefined;

  const apply = (event: InstanceEvent): void => {
    if (!run) throw new Error('no workflow is running');
    const { state } = run;
    run.state = evolve(state, event);
    onEvent(state, event, run.state);
  };
  const absorb = (): void => run?.inbox.splice(0).forEach(apply);

  const deliver = (index: number): void => {
    const event = rows.log[index];
    const message = event && toMessage(asIncoming('id', event));
    if (!message) return;
    run ??= { state: initialState, inbox: [] };
    run.inbox.push(message);
    if (lastWish?.sequence === index + 1) lastWish.delivered = true;
  };
  const deliverExit = (exit: (typeof exits)[number]): void => {
    exit.delivered = true;
    run?.inbox.push(exit.message);
  };

  const startAgent = ({ generation }: RowReading): string => {
    if (agent?.alive !== true || agent.generation !== generation) {
      started += 1;
      ran.add(generation);
      agent = { runtimeId: `runtime-${started}`, generation, alive: true };
    }
    return agent.runtimeId;
  };

  /** The end of a provisioning; undefined where the workflow learns of none. */
  const endProvision = (
    { generation, row }: Extract<InFlight, { kind: 'provision' }>,
    ending: Ending,
  ): InstanceEvent | undefined => {
    if (!row) return { type: 'rowGone' };
    if (row.desiredState === 'stopped') return { type: 'notWanted', row };
    if (ending === 'error') return undefined;
    const runtimeId = startAgent(row);
    if (ending === 'answerLost') return undefined;
    if (ending === 'done') return { type: 'provisioned', row, runtimeId };
    blamed.add(generation);
    return { type: 'provisioningFailed', generation, reason: { code: 'provisioning_failed', message: 'not ready' } };
  };

  const perform = (effect: Extract<InFlight, { kind: 'repeat' }>['effect']): InstanceEvent => {
    switch (effect.type) {
      case 'cleanUp':
        agent = undefined;
        return { type: 'cleanedUp' };
      case 'recordStatus': {
        const result = rows.recordStatus(effect);
        return result.outcome === 'gone' ? { type: 'rowGone' } : { ...effect, type: 'statusRecorded', row: result.row };
      }
      case 'recordFinalStatus': {
        const row = rows.recordFinalStatus();
        return { type: 'finalStatusRecorded', ...(row && { row }) };
      }
    }
  };

  /** One step of the workflow. False: it has nothing to do, or is not running. */
  const advance = (ending: Ending): boolean => {
    if (!run) return false;
    const { inFlight } = run;
    run.inFlight = undefined;
    if (inFlight?.kind === 'answer') {
      if (inFlight.absorbs) absorb();
      apply(inFlight.event);
      return true;
    }
    if (inFlight?.kind === 'provision') {
      absorb();
      const event = endProvision(inFlight, ending);
      if (event) run.inFlight = { kind: 'answer', event, absorbs: true };
      return true;
    }
    if (!inFlight) absorb();
    const effect = inFlight?.effect ?? decide(run.state);
    switch (effect.type) {
      case 'wait':
        return false;
      case 'complete':
        run = undefined;
        return true;
      case 'provision':
        apply({ type: 'provisioningStarted' });
        run.inFlight = { kind: 'provision', generation: effect.generation, row: rows.read() };
        return true;
      default: {
        if (ending === 'error') run.inFlight = { kind: 'repeat', effect };
        else {
          const event = perform(effect);
          run.inFlight =
            ending === 'answerLost' ? { kind: 'repeat', effect } : { kind: 'answer', event, absorbs: false };
        }
        return true;
      }
    }
  };

  const wish = (change: () => void): void => {
    change();
    lastWish = { sequence: rows.log.length, delivered: false };
  };

  const take = (step: Step): void => {
    const row = rows.row();
    switch (step.do) {
      case 'insert':
        if (!row) wish(() => rows.insert(step.desiredState));
        return;
      case 'changeConfig':
        if (row) wish(rows.changeConfig);
        return;
      case 'toggle':
        if (row) wish(() => rows.desire(row.desiredState === 'running' ? 'stopped' : 'running'));
        return;
      case 'remove':
        if (row) wish(rows.remove);
        return;
      case 'deliver':
        deliver(step.pick % Math.max(rows.log.length, 1));
        return;
      case 'deliverExit': {
        const exit = exits[step.pick % Math.max(exits.length, 1)];
        if (exit) deliverExit(exit);
        return;
      }
      case 'exit':
        if (!agent?.alive) return;
        agent.alive = false;
        if (step.kind === 'exited') blamed.add(agent.generation);
        exits.push({
          message: { type: 'runtimeExited', runtimeId: agent.runtimeId, kind: step.kind, message: 'ended' },
          delivered: false,
        });
        return;
      case 'advance':
        advance(step.ending);
    }
  };

  /** Delivers what must arrive (the last wish and every exit), and lets all go well. @returns the steps it took */
  const settle = ({ limit }: { limit: number }): number => {
    if (lastWish && !lastWish.delivered) deliver(lastWish.sequence - 1);
    for (const exit of exits) if (!exit.delivered) deliverExit(exit);
    for (let steps = 0; steps < limit; steps += 1) {
      if (!advance('done')) return steps;
    }
    throw new Error(`still busy after ${limit} steps: ${JSON.stringify(run)}`);
  };

  return { rows, blamed, ran, deliver, take, settle, agent: () => agent, state: () => run?.state };
}
