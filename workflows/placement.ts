import { contradicted, doubted, placementDoubted } from './doubts.ts';
import type { AgentFound, HostBack, HostLost, HostReplaceable, MoveRequested } from './messages.ts';
import type { InstanceEvent, InstanceState, LocateResult } from './state.ts';

/**
 * Where the instance is. The placement in PostgreSQL decides it: messages only make the workflow read it, so they may be late, false or
 * come twice. What the workflow remembers only adds hosts to clean up, as a restored backup may have lost or changed the placement.
 */

/** Folds in a message about a host. */
export function heardOfHost(
  given: InstanceState,
  message: HostLost | HostBack | HostReplaceable | MoveRequested | AgentFound,
): InstanceState {
  const { hostId } = message;
  const state = given.knownRow.kind === 'unknown' ? contradicted(given) : given;
  const isPresent = state.knownRow.kind === 'present';
  switch (message.type) {
    case 'hostLost':
      if (state.lostHost?.hostId !== hostId) return placementDoubted(state);
      // It is told only while the row does not say it, so the row may be another one than the workflow knows.
      return isPresent ? contradicted(state) : state;
    case 'hostBack':
      // It is told only while the row says that the host is lost.
      return placementDoubted(isPresent && state.recorded.reason?.code !== 'host_lost' ? contradicted(state) : state);
    case 'hostReplaceable':
      return placementDoubted(leftBehind(state, hostId));
    case 'moveRequested':
      if (!isPresent || state.moving?.hostId === hostId) return state;
      if (state.hostId !== undefined && state.hostId !== hostId) return placementDoubted(state);
      return placementDoubted({ ...state, moving: { hostId, message: message.message } });
    case 'agentFound':
      return placementDoubted(state.hostId === hostId ? state : withStray(state, hostId));
  }
}

/** Folds in what the placement says. */
export function located(state: InstanceState, result: LocateResult): InstanceState {
  // A placement that was read because of a message is read again before the next step on a host.
  const { placement, ...rest } = state;
  const read: InstanceState = placement === 'doubted' ? rest : { ...rest, placement: 'read' };
  switch (result.outcome) {
    case 'none':
      return nowhere(leftBehind(read, result.leftHostId));
    case 'on': {
      const { lostHost, leaving: _, ...on } = movedTo(read, result.hostId);
      return lostHost ? doubted(on) : on;
    }
    case 'hostLost': {
      const { hostId, message } = result;
      const lost = movedTo(read, hostId);
      return unsureWhileLost({ ...lost, leaving: true, lostHost: lost.lostHost ?? { hostId, message } });
    }
  }
}

export function placed(state: InstanceState, event: Extract<InstanceEvent, { type: 'placed' }>): InstanceState {
  const { hostId, leftHostId } = event;
  const moved = movedTo(leftBehind(state, leftHostId), hostId);
  const { lostHost: _, leaving: __, placingTries: ___, ...on } = moved;
  return { ...on, placement: 'read' };
}

/** No host was found. A lost host that may be replaced can still be that of the instance. */
export function unplaced(state: InstanceState): InstanceState {
  const { placement: _, lostHost: __, ...rest } = state;
  return state.leaving ? rest : nowhere(rest);
}

/** Everything was removed from the host. */
export function cleanedUp(state: InstanceState, hostId: string): InstanceState {
  const rest = stepEnded(state);
  const cleaned = withoutStray(rest, hostId);
  return hostId === rest.hostId ? emptied(cleaned) : cleaned;
}

/**
 * Without a row, the workflow waits for a lost host without another step that would show whether another row of the same id has come. So
 * the row is read before.
 */
export function unsureWhileLost(state: InstanceState): InstanceState {
  const { lostHost, knownRow, doubt = 'heard' } = state;
  return lostHost && knownRow.kind === 'gone' ? { ...state, doubt } : state;
}

/** The next step on a host reads the placement anew. */
export function stepEnded(state: InstanceState): InstanceState {
  const { placement, ...rest } = state;
  return placement === 'doubted' ? state : rest;
}

/** The instance has no placement. The host that is remembered may hold an agent, unless it was being left. */
function nowhere(state: InstanceState): InstanceState {
  const { hostId, leaving } = state;
  const left = emptied(state);
  return hostId === undefined || leaving ? left : withStray(left, hostId);
}

function emptied(state: InstanceState): InstanceState {
  const { hostId: _, lostHost: __, leaving: ___, moving: ____, ...rest } = state;
  return { ...rest, runtime: { kind: 'none' }, earlyExits: [] };
}

/** An agent that is known to run is on the host that was known before, if there was one. */
function movedTo(state: InstanceState, hostId: string): InstanceState {
  const { hostId: before, moving, lostHost, leaving, ...rest } = state;
  const here = withoutStray({ ...rest, hostId, ...(moving?.hostId === hostId && { moving }) }, hostId);
  if (before === hostId) {
    const kept = { ...here, ...(lostHost && { lostHost }), ...(leaving && { leaving }) };
    return state.runtime.kind === 'none' ? mayRun(kept) : kept;
  }
  if (before === undefined) return state.runtime.kind === 'none' ? mayRun(here) : here;
  const moved = mayRun(here);
  return leaving ? moved : withStray(moved, before);
}

/** A lost host has ended the agent before it was left. */
function leftBehind(state: InstanceState, hostId: string | undefined): InstanceState {
  if (hostId === undefined) return state;
  return hostId === state.hostId ? { ...state, leaving: true } : withoutStray(state, hostId);
}

/** Without a row, what is found belongs to a deleted one. */
function mayRun(state: InstanceState): InstanceState {
  const { knownRow, runtime } = state;
  return knownRow.kind === 'gone' && runtime.kind === 'none'
    ? { ...state, runtime: { kind: 'obsolete' } }
    : doubted(state);
}

function withStray(state: InstanceState, hostId: string): InstanceState {
  const { strayHosts = [] } = state;
  return strayHosts.includes(hostId) ? state : { ...state, strayHosts: [...strayHosts, hostId] };
}

function withoutStray(state: InstanceState, hostId: string): InstanceState {
  const { strayHosts = [], ...rest } = state;
  const others = strayHosts.filter((stray) => stray !== hostId);
  return others.length > 0 ? { ...rest, strayHosts: others } : rest;
}
