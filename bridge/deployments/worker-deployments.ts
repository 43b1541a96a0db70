import type { Client } from '@temporalio/client';
import { grpcCodes, grpcErrorOf } from '../signals/temporal-refusal.ts';
import { createServerCalls, isAsleep, unlessMissing } from './server-calls.ts';

/** How the server routes the tasks of one deployment name. `null` as a build id stands for workers without a version. */
export interface Routing {
  currentBuildId: string | null;
  rampingBuildId: string | null;
  /** Of the ramp; 0 without one. */
  percentage: number;
  /** Who may change the routing; empty if anybody may. */
  manager: string;
  lastModifier: string;
  /** The builds that the server knows. A build is drained some minutes after it lost its tasks, unless a run is held to it. */
  builds: { buildId: string; isDrained: boolean }[];
}

export interface WorkerDeploymentsOptions {
  client: Client;
  deploymentName: string;
  /** With what this process signs its changes, and under which it manages the routing. */
  identity: string;
}

/**
 * Temporal's worker deployment of one name. The SDK has no client for it, so these are its raw calls. A change succeeds only on the
 * routing that the caller has read: https://docs.temporal.io/production-deployment/worker-deployments/worker-versioning
 */
export function createWorkerDeployments({ client, deploymentName, identity }: WorkerDeploymentsOptions) {
  const { namespace } = client.options;
  const service = client.workflowService;
  // Workers without a build take what is to be done on hosts where a build has no workers.
  const named = { namespace, deploymentName, identity, ignoreMissingTaskQueues: true };
  const call = createServerCalls(client);

  const describe = async (): Promise<{ routing: Routing; conflictToken: Uint8Array } | undefined> => {
    const described = await unlessMissing(() =>
      // Between two runs of its workflow, a deployment is there all the same.
      call(() => service.describeWorkerDeployment({ namespace, deploymentName }), isAsleep),
    );
    const info = described?.workerDeploymentInfo;
    if (!info) return undefined;
    const { currentDeploymentVersion, rampingDeploymentVersion, rampingVersionPercentage } = info.routingConfig ?? {};
    return {
      routing: {
        currentBuildId: currentDeploymentVersion?.buildId ?? null,
        rampingBuildId: rampingDeploymentVersion?.buildId ?? null,
        percentage: rampingVersionPercentage ?? 0,
        manager: info.managerIdentity ?? '',
        lastModifier: info.lastModifierIdentity ?? '',
        builds: (info.versionSummaries ?? []).flatMap(({ deploymentVersion, drainageInfo }) =>
          deploymentVersion?.buildId
            ? [{ buildId: deploymentVersion.buildId, isDrained: drainageInfo?.status === versionDrained }]
            : [],
        ),
      },
      conflictToken: described.conflictToken ?? new Uint8Array(),
    };
  };

  /** @returns why the server refuses the change: the routing was changed after it was read, or somebody else manages it */
  const change = async (
    send: (conflictToken: Uint8Array) => Promise<unknown>,
    isExpected: (routing: Routing) => boolean = ({ manager }) => manager === identity,
  ): Promise<string | undefined> => {
    const described = await describe();
    if (!described) return `No worker has announced the deployment ${deploymentName} yet.`;
    const { routing, conflictToken } = described;
    if (!isExpected(routing)) return `The routing of ${deploymentName} is managed by ${routing.manager || 'nobody'}.`;
    try {
      await call(() => send(conflictToken));
      return undefined;
    } catch (error) {
      const { code, details } = grpcErrorOf(error) ?? {};
      if (code !== grpcCodes.failedPrecondition) throw error;
      return details;
    }
  };

  return {
    deploymentName,
    identity,

    /** @returns undefined if no worker of this deployment ever polled */
    readRouting: async (): Promise<Routing | undefined> => (await describe())?.routing,

    /** Takes the routing over from whoever manages it. From then on nobody else changes it without taking it over in turn. */
    manage: () =>
      change(
        (conflictToken) => service.setWorkerDeploymentManager({ ...named, conflictToken, managerIdentity: identity }),
        () => true,
      ),

    /** Lets a part of all runs be carried on by a build. Its workers have to poll, or the part hangs without any error. */
    ramp: (buildId: string, percentage: number) =>
      change((conflictToken) =>
        service.setWorkerDeploymentRampingVersion({ ...named, conflictToken, buildId, percentage }),
      ),

    unsetRamp: () =>
      change((conflictToken) =>
        service.setWorkerDeploymentRampingVersion({ ...named, conflictToken, buildId: '', percentage: 0 }),
      ),

    /** Lets all runs be carried on by a build, or by workers without one. It ends a ramp to it. */
    setCurrent: (buildId: string | null) =>
      change((conflictToken) =>
        service.setWorkerDeploymentCurrentVersion({ ...named, conflictToken, buildId: buildId ?? '' }),
      ),

    /** @returns false while the server still needs the build: workers polled lately, or it has runs or tasks */
    deleteVersion: async (buildId: string): Promise<boolean> => {
      const deploymentVersion = { deploymentName, buildId };
      try {
        await unlessMissing(() =>
          call(() => service.deleteWorkerDeploymentVersion({ namespace, deploymentVersion, identity })),
        );
        return true;
      } catch (error) {
        const { code } = grpcErrorOf(error) ?? {};
        // A busy server gives up after a while, and may have deleted it.
        if (code === grpcCodes.failedPrecondition || code === grpcCodes.deadlineExceeded) return false;
        throw error;
      }
    },
  };
}

/** A value of `VersionDrainageStatus` in Temporal's API. */
const versionDrained = 2;
