import { toMessage } from '../../bridge/signals/instance-router.ts';
import type { DesiredState } from '../../contracts/names.ts';
import { decide, type Effect } from '../../workflows/decide.ts';
import { evolve } from '../../workflows/evolve.ts';
import { handOn, takeOver } from '../../workflows/handed-on-state.ts';
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
  /** A host is lost, or the loss goes on; it is back; somebody says that it is gone for good; it is drained, or no longer. */
  | { do: 'loseHost' | 'recoverHost' | 'forgetHost' | 'drainHost' | 'undrainHost'; host: number }
  /** The watch of the fleet looks, and writes down what it has to say. */
  | { do: 'watch' }
  | { do: 'deliverNotice'; pick: number }
  /** A suspended worker wakes up and records the status that followed from what it knew then. */
  | { do: 'recordLate'; pick: number }
  /** The workflow is terminated, or hands its state on to its next run. */
  | { do: 'terminate' | 'continueAsNew' }
  | { do: 'advance'; ending: Ending };

export type ForgedMessage =
  Pick<RowDeleted, 'type' | 'sequence'> | Pick<RowChanged, 'type' | 'sequence' | 'generation' | 'desiredState'>;

type InFlight =
  | { kind: 'provision'; effect: Extract<Effect, { type: 'provision' }>; hostId: string; looked: Looked }
  | { kind: 'cleanUp'; effect: Extract<Effect, { type: 'cleanUp' }>; hostId: string }
  | { kind: 'repeat'; effect: Exclude<Effect, { type: 'provision' | 'cleanUp' | 'wait' | 'complete' }> }
  /** The inbox is read while a provisioning is under way, and waits while anything else is. */
  | { kind: 'answer'; event: InstanceEvent; absorbs?: Extract<Effect, { type: 'provision' }> };

interface SimulationOptions extends WorldOptions {
  /** Called for every event that `evolve` folds. */
  onEvent?: (before: InstanceState, event: InstanceEvent, after: InstanceState, now: number) => void;
}

export type Simulation = ReturnType<typeof createSimulation>;

const cause: Cause = { eventId: 'forged', correlationId: 'forged', traceparent: 'forged' };

/** The loop of the workflow over the real decider, in a world of one row and a few hosts. */
export function createSimulation({ onEvent = () => {}, ...options }: SimulationOptions) {
  const world = createInstanceWorld(options);
  const { rows, fleet } = world;
  const delivered = { exits: new Set<number>(), agentEvents: new Set<number>() };
  const notices: InstanceMessage[] = [];
  /** Every state that a step was decided in. */
  const states: InstanceState[] = [];
  /** The placement after so many events of the row. */
  const placements: ReturnType<typeof fleet.placement>[] = [undefined];
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
  /** What the next step tells its activity of the state. */
  const known = () => ({
    leavingHostId: run?.state.leaving ? run.state.hostId : undefined,
    sequence: run?.state.sequence ?? 0,
  });
  const absorb = (): void => run?.inbox.splice(0).forEach(apply);
  /** What the workflow wants while a provisioning is under way, for which it reads what is in doubt. */
  const stillWanted = ({ generation, hostId }: Extract<Effect, { type: 'provision' }>): boolean => {
    for (;;) {
      absorb();
      if (!run) return false;
      const next = decide(run.state);
      if (next.type === 'readRow' || next.type === 'locate') {
        apply(world.perform(next, 'done', known()));
        continue;
      }
      const isStart = next.type === 'provision' || next.type === 'place';
      return isStart && next.generation === generation && run.state.hostId === hostId;
    }
  };

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
  const tellOrStart = (message: InstanceMessage): void => {
    run ??= { state: initialState, inbox: [] };
    tell(message);
  };
  const watch = (): InstanceMessage[] => {
    const row = rows.row();
    return fleet.notices({ hasRow: row !== undefined, saysHostLost: row?.reason?.code === 'host_lost' });
  };
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
    const event = world.perform(effect, ending, known());
    return ending === 'answerLost' ? { kind: 'repeat', effect } : { kind: 'answer', event };
  };

  /** Takes one step of the workflow. Returns false when it has nothing to do yet, or is not running. */
  const advance = (ending: Ending): boolean => {
    if (!run) return false;
    const { inFlight } = run;
    run.inFlight = undefined;
    if (inFlight?.kind === 'answer') {
      if (inFlight.absorbs) stillWanted(inFlight.absorbs);
      apply(inFlight.event);
      return true;
    }
    if (inFlight?.kind === 'provision') {
      const { effect, hostId, looked } = inFlight;
      const wanted = stillWanted(effect);
      if (!fleet.holdsLease(hostId)) {
        if (wanted) run.inFlight = inFlight;
        else apply({ type: 'stepEnded' });
        return !wanted;
      }
      // One that is cancelled may have done its work before.
      const event = world.provision(effect, hostId, looked, ending);
      run.inFlight = { kind: 'answer', event, absorbs: effect };
      return true;
    }
    if (inFlight?.kind === 'cleanUp') {
      const { effect, hostId } = inFlight;
      const isLost = run.inbox.some(
        (message) => (message.type === 'hostLost' || message.type === 'hostReplaceable') && message.hostId === hostId,
      );
      if (!fleet.holdsLease(hostId)) {
        // Nobody took it for a while, or somebody says that the host is lost.
        if (isLost || ending === 'error') apply({ type: 'stepEnded' });
        else run.inFlight = inFlight;
        return isLost || ending === 'error';
      }
      if (ending === 'error') {
        run.inFlight = inFlight;
        return true;
      }
      const event = world.perform(effect, ending, known());
      if (ending === 'answerLost' && !isLost) run.inFlight = inFlight;
      else run.inFlight = { kind: 'answer', event: isLost ? { type: 'stepEnded' } : event };
      return true;
    }
    if (inFlight) {
      run.inFlight = perform(inFlight.effect, ending);
      return true;
    }
    absorb();
    states.push(run.state);
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
        run.inFlight = { kind: 'provision', effect, hostId: hostOf(effect), looked: world.look(hostOf(effect)) };
        return true;
      case 'cleanUp':
        apply({ type: 'cleanUpStarted', hostId: hostOf(effect) });
        run.inFlight = { kind: 'cleanUp', effect, hostId: hostOf(effect) };
        return true;
      case 'place':
        apply({ type: 'placingStarted' });
        run.inFlight = perform(effect, ending);
        return true;
      case 'locate':
      case 'readRow':
      case 'recordStatus':
      case 'recordFinalStatus':
        run.inFlight = perform(effect, ending);
        return true;
    }
  };

  /** The placement is in the same backup. */
  const restore = (events: number): void => {
    rows.restore(events);
    fleet.restorePlacement(placements[events]);
  };

  const change = (changeRow: () => void): void => {
    changeRow();
    lastChange = { sequence: rows.log.length, delivered: false };
  };

  const take = (step: Step): void => {
    takeStep(step);
    for (let events = placements.length; events <= rows.log.length; events += 1) placements[events] = fleet.placement();
  };
  const takeStep = (step: Step): void => {
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
        return restore(step.pick % (rows.log.length + 1));
      case 'forge':
        isToBeSwept = true;
        run ??= { state: initialState, inbox: [] };
        return tell({ ...step.message, cause });
      case 'loseHost':
        return world.loseHost(step.host);
      case 'recoverHost':
        return fleet.recover(step.host);
      case 'forgetHost':
        return fleet.forget(step.host);
      case 'drainHost':
      case 'undrainHost':
        return fleet.drain(step.host, step.do === 'drainHost');
      case 'watch':
        return void notices.push(...watch());
      case 'deliverNotice': {
        const notice = notices[step.pick % Math.max(notices.length, 1)];
        if (notice) tellOrStart(notice);
        return;
      }
      case 'recordLate': {
        const state = states[step.pick % Math.max(states.length, 1)];
        if (!state) return;
        const effect = decide(state);
        if (effect.type !== 'recordStatus') return;
        return void rows.recordStatus({ ...effect, knownSequence: state.sequence });
      }
      case 'terminate':
        isToBeSwept = true;
        run = undefined;
        return;
      case 'continueAsNew':
        if (run && !run.inFlight) {
          absorb();
          run.state = takeOver(handOn(run.state));
        }
        return;
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
      if (run?.state.obstacle?.kind === 'unplaced' && !fleet.hasOpenHost()) return steps;
      now = effect.until;
    }
    throw new Error(`still busy after ${limit} steps: ${JSON.stringify(run)}`);
  };

  /**
   * Delivers what must arrive (the last change of the row, every exit, every event of the agent), and lets all go well and time pass.
   *
   * @returns the steps it took
   */
  const settle = ({ limit, hostsComeBack = true }: { limit: number; hostsComeBack?: boolean }): number => {
    if (lastChange && !lastChange.delivered) deliver(lastChange.sequence - 1);
    for (const index of world.exits.keys()) if (!delivered.exits.has(index)) deliverExit(index);
    for (const index of world.agentEvents.keys()) if (!delivered.agentEvents.has(index)) deliverAgentEvent(index);
    const steps = [rest(limit), ...untilNothingIsTold(limit, hostsComeBack)];
    if (!isToBeSwept) return Math.max(...steps);
    for (const sweep of sweeps) {
      sweep();
      steps.push(rest(limit), ...untilNothingIsTold(limit, hostsComeBack));
    }
    return Math.max(...steps);
  };
  const untilNothingIsTold = (limit: number, hostsComeBack: boolean): number[] => {
    const steps: number[] = [];
    for (let rounds = 0; rounds < 8; rounds += 1) {
      if (hostsComeBack) for (const host of fleet.hosts.keys()) fleet.recover(host);
      steps.push(rest(limit));
      const told = watch();
      if (told.length === 0) return steps;
      told.forEach(tellOrStart);
    }
    throw new Error(`there is still something to tell: ${JSON.stringify({ told: watch(), run })}`);
  };

  return { ...world, deliver, deliverExit, deliverAgentEvent, tell, take, settle, state: () => run?.state };
}

function hostOf({ hostId }: { hostId?: string }): string {
  if (hostId === undefined) throw new Error('a step that names no host');
  return hostId;
}
