import type { LocateResult } from '../../workflows/state.ts';
import type { InstanceMessage } from '../../workflows/messages.ts';
import type { RestartPolicy } from '../../workflows/restart-policy.ts';

export const hostIds = ['host-1', 'host-2', 'host-3'] as const;

export interface Agent {
  runtimeId: string;
  generation: number;
  alive: boolean;
  restart: RestartPolicy;
}

/**
 * - `lost`: the lease of the host ran out.
 * - `fenced`: it has ended the agents that may be replaced elsewhere.
 * - `replaceable`: they may be replaced by now.
 */
export type HostPhase = 'alive' | 'lost' | 'fenced' | 'replaceable';
const nextPhase: Record<HostPhase, HostPhase> = {
  alive: 'lost',
  lost: 'fenced',
  fenced: 'replaceable',
  replaceable: 'replaceable',
};

interface Host {
  id: string;
  phase: HostPhase;
  isDraining: boolean;
  isForgotten: boolean;
  /** How often the host was lost. A start that began before does not start anything. */
  losses: number;
  agent?: Agent & { isFenced: boolean };
}

interface Placement {
  hostId: string;
  /** Whether a lost host may be replaced. */
  isReplaceable: boolean;
  /** The loss of the host that the workflow was told of. */
  toldOfLoss?: number;
}

/** The hosts, and where the one instance of the world is placed, by the rules of database/migrations/0051_placements.sql. */
export function createFleet() {
  const hosts: Host[] = hostIds.map((id) => ({
    id,
    phase: 'alive',
    isDraining: false,
    isForgotten: false,
    losses: 0,
  }));
  let placement: Placement | undefined;
  const happened = { hostWasLost: false, hostWasDrained: false };
  /** The most agents that were alive at once. */
  let mostAlive = 0;

  const host = (id: string): Host => {
    const found = hosts.find((each) => each.id === id);
    if (!found) throw new Error(`no host ${id}`);
    return found;
  };
  const holdsLease = ({ phase, isForgotten }: Host): boolean => phase === 'alive' && !isForgotten;
  const isReplaceable = (at: Placement): boolean => {
    const { isForgotten, phase } = host(at.hostId);
    return isForgotten || (at.isReplaceable && phase === 'replaceable');
  };
  const lost = ({ hostId }: Placement) => ({ outcome: 'hostLost', hostId, message: `${hostId} is lost.` }) as const;
  const openHosts = (): Host[] => hosts.filter((each) => holdsLease(each) && !each.isDraining);

  const fleet = {
    hosts: hosts as readonly Host[],
    happened: happened as Readonly<typeof happened>,
    placement: () => placement,
    restorePlacement: (given: Placement | undefined): void => {
      placement = given;
    },
    holdsLease: (hostId: string): boolean => holdsLease(host(hostId)),
    losses: (hostId: string): number => host(hostId).losses,
    hasOpenHost: (): boolean => openHosts().length > 0,
    mostAlive: () => mostAlive,
    /** That of the host on which the instance is placed, or any that is left. */
    agent: (): Agent | undefined =>
      (placement && host(placement.hostId).agent) ?? hosts.find(({ agent }) => agent)?.agent,
    agents: (): Agent[] => hosts.flatMap(({ agent }) => agent ?? []),

    place: (replaces: boolean, leavingHostId?: string) => {
      const at = placement;
      if (at && holdsLease(host(at.hostId))) return { outcome: 'placed', hostId: at.hostId } as const;
      if (at && !(isReplaceable(at) && at.hostId === leavingHostId)) return lost(at);
      const [chosen] = openHosts();
      if (!chosen) return { outcome: 'noHost' } as const;
      placement = { hostId: chosen.id, isReplaceable: replaces };
      return { outcome: 'placed', hostId: chosen.id, ...(at && { leftHostId: at.hostId }) } as const;
    },
    locate: (leavingHostId?: string): LocateResult => {
      if (!placement) return { outcome: 'none' };
      if (holdsLease(host(placement.hostId))) return { outcome: 'on', hostId: placement.hostId };
      if (!isReplaceable(placement) || placement.hostId !== leavingHostId) return lost(placement);
      const { hostId: leftHostId } = placement;
      placement = undefined;
      return { outcome: 'none', leftHostId };
    },
    start: (hostId: string, agent: Agent): void => {
      host(hostId).agent = { ...agent, isFenced: placement?.isReplaceable === true };
      mostAlive = Math.max(mostAlive, fleet.agents().filter(({ alive }) => alive).length);
    },
    /** The agent ends, and leaves nothing. */
    removeAgent: (): void => {
      for (const each of hosts) delete each.agent;
    },
    agentOn: (hostId: string): Agent | undefined => host(hostId).agent,
    /** Removes everything from the host, and the placement last. */
    empty: (hostId: string): void => {
      delete host(hostId).agent;
      if (placement?.hostId === hostId) placement = undefined;
    },

    /** @returns the agent that the host ended */
    lose: (index: number): Agent | undefined => {
      const losing = hosts[index % hosts.length];
      if (!losing) return undefined;
      happened.hostWasLost = true;
      if (losing.phase === 'alive') losing.losses += 1;
      losing.phase = nextPhase[losing.phase];
      const { agent, phase } = losing;
      if (phase !== 'fenced' || !agent?.isFenced || !agent.alive) return undefined;
      agent.alive = false;
      return agent;
    },
    /** A host is back, and no longer drained. A forgotten one comes back as a new one, once nothing is placed on it. */
    recover: (index: number): void => {
      const back = hosts[index % hosts.length];
      if (back && !(back.isForgotten && placement?.hostId === back.id))
        Object.assign(back, { phase: 'alive', isForgotten: false, isDraining: false });
    },
    /** The one who forgets a host has ended what runs there. */
    forget: (index: number): void => {
      const gone = hosts[index % hosts.length];
      if (!gone || gone.phase === 'alive') return;
      gone.isForgotten = true;
      delete gone.agent;
    },
    drain: (index: number, isDraining: boolean): void => {
      const drained = hosts[index % hosts.length];
      happened.hostWasDrained ||= isDraining;
      if (drained) drained.isDraining = isDraining;
    },

    /** What the watch of the fleet and the sweeps of hosts tell the workflow now. */
    notices: ({ hasRow, saysHostLost }: { hasRow: boolean; saysHostLost: boolean }): InstanceMessage[] => {
      const found = hosts
        .filter((each) => each.agent && holdsLease(each) && each.id !== placement?.hostId)
        .map(({ id }): InstanceMessage => ({ type: 'agentFound', hostId: id }));
      if (!placement) return found;
      const { hostId } = placement;
      const home = host(hostId);
      if (isReplaceable(placement)) return [...found, { type: 'hostReplaceable', hostId }];
      if (!holdsLease(home)) {
        // Without a row there is nothing to see whether the workflow knows it, so it is told once.
        const isKnown = hasRow ? saysHostLost : placement.toldOfLoss === home.losses;
        placement.toldOfLoss = home.losses;
        return isKnown ? found : [...found, { type: 'hostLost', hostId, message: `${hostId} is lost.` }];
      }
      if (saysHostLost || !hasRow) return [...found, { type: 'hostBack', hostId }];
      const isToMove = home.isDraining && openHosts().length > 0;
      return isToMove ? [...found, { type: 'moveRequested', hostId, message: `${hostId} is drained.` }] : found;
    },
  };
  return fleet;
}
