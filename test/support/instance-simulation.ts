import { toMessage } from '../../bridge/signals/instance-router.ts';
import type { DesiredState } from '../../contracts/names.ts';
import { decide, type Effect } from '../../workflows/decide.ts';
import { evolve } from '../../workflows/evolve.ts';
import type { Cause, InstanceMessage, RowChanged, RowDeleted, RuntimeExited } from '../../workflows/messages.ts';
import type { RestartPolicy } from '../../workflows/restart-policy.ts';
import { initialState, type InstanceEvent, type InstanceState } from '../../workflows/state.ts';
import { createInstanceWorld, type Ending, type Looked, type WorldOptions } from './instance-world.ts';
import { asIncoming } from './row-model.ts';

/** One thing that happens to the instance. A step that is impossible at the moment does nothing. */
export type Step =
  | { do: 'insert'; desiredState: DesiredState }
  | { do: 'changeConfig' | 'toggle' | 'remove' }
  | { do: 'publish'; restart: RestartPolicy }
  | { do: 'retire'; drain: boolean }
  /** A new request, or the latest one again. */
  | { do: 'retry'; again: boolean }
  /** `pick`, modulo their number, of all events so far: any order, any number of times. */
  | { do: 'deliver' | 'deliverExit' | 'deliverAgentEvent'; pick: number }
  | { do: 'exit'; kind: RuntimeExited['kind']; failed: boolean }
  | { do: 'pass'; durationMs: number }
  /** A backup of the row and its log, as it was after `pick` events, modulo their number. */
  | { do: 'restore'; pick: number }
  /** A message that no trigger wrote. */
  | { do: 'forge'; message: ForgedMessage }
  | { do: 'advance'; ending: Ending };

export type ForgedMessage =
  Pick<RowDeleted, 'type' | 'sequence'> | Pick<RowChanged, 'type' | 'sequence' | 'generation' | 'desiredState'>;

type InFlight =
  | { kind: 'provision'; effect: Extract<Effect, { type: 'provision' }>; looked: Looked }
  | { kind: 'repeat'; effect: Exclude<Effect, { type: 'provision' | 'wait' | 'complete' }> }
  /** The inbox is read while a provisioning is under way, and waits while anything else is. */
  | { kind: 'answer'; event: InstanceEvent; absorbs: boolean };

interface SimulationOptions extends WorldOptions {
  /** Called for every event that `evolve` folds. */
  onEvent?: (before: InstanceState, event: InstanceEvent, after: InstanceState, now: number) => void;
}

export type Simulation = ReturnType<typeof createSimulation>;

const cause: Cause = { eventId: 'forged', correlationId: 'forged', traceparent: 'forged' };

/** The loop of the workflow over the real decider, in a world of one row and at most one agent. */
export function createSimulation({ onEvent = () => {}, ...options }: SimulationOptions) {
  const world = createInstanceWorld(options);
  const { rows } = world;
  const delivered = { exits: new Set<number>(), agentEvents: new Set<number>() };
  let lastChange: { sequence: number; delivered: boolean } | undefined;
  /** Only a sweep finds a restored row, and a false message about an instance that has no row. */
  let isToBeSwept = false;
  let retries = 0;
  let now = 0;
  let run: { state: InstanceState; inbox: InstanceMessage[]; inFlight?: InFlight | undefined } | undefined;

  const apply = (event: InstanceEvent): void => {
    if (!run) throw new Error('no workflow is running');
    const { state } = run;
    run.state = evolve(state, event, now);
    onEvent(state, event, run.state, now);
  };
  const absorb = (): void => run?.inbox.splice(0).forEach(apply);

  const deliver = (index: number): void => {
    const event = rows.log[index];
    const message = event && toMessage(asIncoming('id', event));
    if (!message) return;
    run ??= { state: initialState, inbox: [] };
    run.inbox.push(message);
    if (lastChange?.sequence === index + 1) lastChange.delivered = true;
  };
  /** Signals a running workflow, and starts none. */
  const tell = (message: InstanceMessage): void => void run?.inbox.push(message);
  const deliverExit = (index: number): void => {
    const exit = world.exits[index];
    if (!exit) return;
    delivered.exits.add(index);
    tell(exit);
  };
  const deliverAgentEvent = (index: number): void => {
    const event = world.agentEvents[index];
    if (!event) return;
    delivered.agentEvents.add(index);
    const message = world.told(event);
    if (message) tell(message);
  };

  /** Runs the activity of the effect. After an `error` it is begun again. */
  const perform = (effect: Extract<InFlight, { kind: 'repeat' }>['effect'], ending: Ending): InFlight => {
    if (ending === 'error') return { kind: 'repeat', effect };
    const event = world.perform(effect, ending);
    return ending === 'answerLost' ? { kind: 'repeat', effect } : { kind: 'answer', event, absorbs: false };
  };

  /** Takes one step of the workflow. Returns false when it has nothing to do yet, or is not running. */
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
      const event = world.provision(inFlight.effect, inFlight.looked, ending);
      if (event) run.inFlight = { kind: 'answer', event, absorbs: true };
      return true;
    }
    if (inFlight) {
      run.inFlight = perform(inFlight.effect, ending);
      return true;
    }
    absorb();
    const effect = decide(run.state);
    switch (effect.type) {
      case 'wait':
        if (effect.until === undefined || now < effect.until) return false;
        apply({ type: 'pauseOver' });
        return true;
      case 'complete':
        run = undefined;
        return true;
      case 'provision':
        apply({ type: 'provisioningStarted' });
        run.inFlight = { kind: 'provision', effect, looked: world.look() };
        return true;
      case 'cleanUp':
      case 'readRow':
      case 'recordStatus':
      case 'recordFinalStatus':
        run.inFlight = perform(effect, ending);
        return true;
    }
  };

  const change = (changeRow: () => void): void => {
    changeRow();
    lastChange = { sequence: rows.log.length, delivered: false };
  };

  const take = (step: Step): void => {
    const row = rows.row();
    switch (step.do) {
      case 'insert':
        if (!row) change(() => rows.insert(step.desiredState));
        return;
      case 'changeConfig':
        if (row) change(rows.changeConfig);
        return;
      case 'toggle':
        if (row) change(() => rows.desire(row.desiredState === 'running' ? 'stopped' : 'running'));
        return;
      case 'remove':
        if (row) change(rows.remove);
        return;
      case 'publish':
        return world.publish(step.restart);
      case 'retire':
        return world.retire(step.drain);
      case 'retry':
        if (!step.again) retries += 1;
        return tell({ type: 'retryRequested', requestId: `request-${retries}` });
      case 'deliver':
        return deliver(step.pick % Math.max(rows.log.length, 1));
      case 'deliverExit':
        return deliverExit(step.pick % Math.max(world.exits.length, 1));
      case 'deliverAgentEvent':
        return deliverAgentEvent(step.pick % Math.max(world.agentEvents.length, 1));
      case 'exit':
        return world.exit(step.kind, step.failed);
      case 'restore':
        isToBeSwept = true;
        return rows.restore(step.pick % (rows.log.length + 1));
      case 'forge':
        isToBeSwept = true;
        run ??= { state: initialState, inbox: [] };
        return tell({ ...step.message, cause });
      case 'pass':
        now += step.durationMs;
        return;
      case 'advance':
        advance(step.ending);
    }
  };

  /** The signals of activities/sweep.ts about this instance. Each sweep reports one of several faults. */
  const sweeps: (() => void)[] = [
    () => {
      const reading = rows.read();
      if (run) return tell({ type: 'checkRequested' });
      if (!reading && !world.agent()) return;
      run = { state: initialState, inbox: [] };
      tell(reading ? { type: 'rowChanged', ...reading, cause } : { type: 'rowDeleted', sequence: 1, cause });
    },
    () =>
      world.agentEvents.slice(-1).forEach((event) => {
        const message = world.told(event);
        if (message) tell(message);
      }),
  ];

  /** Lets every step succeed, and time pass. @returns the number of steps */
  const rest = (limit: number): number => {
    for (let steps = 0; steps < limit; steps += 1) {
      if (advance('done')) continue;
      const effect = run && decide(run.state);
      if (effect?.type !== 'wait' || effect.until === undefined) return steps;
      now = effect.until;
    }
    throw new Error(`still busy after ${limit} steps: ${JSON.stringify(run)}`);
  };

  /**
   * Delivers what must arrive (the last change of the row, every exit, every event of the agent), and lets all go well and time pass.
   *
   * @returns the steps it took
   */
  const settle = ({ limit }: { limit: number }): number => {
    if (lastChange && !lastChange.delivered) deliver(lastChange.sequence - 1);
    for (const index of world.exits.keys()) if (!delivered.exits.has(index)) deliverExit(index);
    for (const index of world.agentEvents.keys()) if (!delivered.agentEvents.has(index)) deliverAgentEvent(index);
    const steps = rest(limit);
    if (!isToBeSwept) return steps;
    const afterSweeps = sweeps.map((sweep) => {
      sweep();
      return rest(limit);
    });
    return Math.max(steps, ...afterSweeps);
  };

  return { ...world, deliver, deliverExit, deliverAgentEvent, tell, take, settle, state: () => run?.state };
}
