import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, inject } from 'vitest';
import type { ProvisionRequest } from '../../runtimes/runtime.ts';
import { createContainerRig } from '../support/docker-agents.ts';
import { checkedImage, plainImage } from '../support/docker-images.ts';
import { openNamespace, type TestNamespace } from '../support/kubernetes/namespace.ts';
import { createPodRig, readyFile } from '../support/kubernetes/pods.ts';
import { createAgentRig, processesOf } from '../support/process-agents.ts';
import { describeRuntime, type AgentOptions, type KindRig } from '../support/runtime-behaviours.ts';
import { useOpened } from '../support/use-opened.ts';

/** The suite calls a runtime only with requests of its own kind. */
const sameKind = (request: ProvisionRequest<never> | object) => request as ProvisionRequest<never>;
const sayReady = 'touch /tmp/ready';
const goFile = () => '/tmp/go';

describe.concurrent('every kind of runtime', () => {
  describeRuntime({
    name: 'processes',
    hasImages: false,
    pullsHere: false,
    open: async (): Promise<KindRig> => {
      const rig = await createAgentRig();
      const goFileOf = (instanceId: string) => join(rig.directory, `go-${instanceId}`);
      return {
        ...rig,
        request: ({ saysReady = false, ...options }: Omit<AgentOptions, 'image' | 'memory_mebibytes'> = {}) =>
          sameKind(rig.request({ stop_grace_seconds: 1, ...options, ready: saysReady ? 'file' : 'started' })),
        openRuntime: () => rig.openRuntime(),
        sayReady: ': > "$INSTANCE_READY_FILE"',
        goFile: goFileOf,
        go: (instanceId) => writeFile(goFileOf(instanceId), ''),
        count: async (instanceId) => ((await processesOf(instanceId)).length > 0 ? 1 : 0),
      };
    },
  });

  describe.skipIf(!inject('docker'))('with a Docker engine', () => {
    describeRuntime({
      name: 'containers',
      hasImages: true,
      pullsHere: true,
      open: async (): Promise<KindRig> => {
        const rig = createContainerRig();
        return {
          ...rig,
          request: ({ saysReady = false, ...options }: AgentOptions = {}) =>
            sameKind(
              rig.request({
                image: saysReady ? checkedImage : plainImage,
                ready: saysReady ? 'healthcheck' : 'started',
                ...options,
              }),
            ),
          openRuntime: () => rig.openRuntime(),
          sayReady,
          goFile,
          count: async (instanceId) => (await rig.containersOf(instanceId)).length,
        };
      },
    });
  });

  describe.skipIf(!inject('kubernetes')?.image)('with a cluster that runs pods', () => {
    const namespace: TestNamespace = useOpened(
      () => openNamespace(inject('kubernetes')?.kubeconfig ?? ''),
      (opened) => opened.close(),
    );
    const describePods = (name: string, sandboxes: 'auto' | 'never'): void =>
      describeRuntime({
        name,
        hasImages: true,
        pullsHere: inject('kubernetes')?.hasOwnNode ?? false,
        open: async (): Promise<KindRig> => {
          const rig = createPodRig(namespace, sandboxes);
          return {
            ...rig,
            request: ({ saysReady = false, ...options }: AgentOptions = {}) =>
              sameKind(rig.request({ ...options, ...(saysReady && { readiness_probe: readyFile }) })),
            openRuntime: () => rig.openRuntime(),
            sayReady,
            goFile,
            count: async (instanceId) =>
              (await rig.find(instanceId)) || (await namespace.sandboxes.find(instanceId)) ? 1 : 0,
          };
        },
      });
    describePods('pods', 'never');
    describe.skipIf(!inject('kubernetes')?.hasSandboxes)('and agent-sandbox', () => {
      describePods('sandboxes', 'auto');
    });
  });
});
