import { z } from 'zod';
import { defineKind } from '../kind.ts';
import { kubernetesSpec } from './spec.ts';

export const kubernetesKind = defineKind({
  spec: kubernetesSpec,
  settings: {
    KUBERNETES_NAMESPACE: z
      .string()
      .max(63)
      .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/, 'must be the name of a namespace, such as instance-engine-agents')
      .meta({
        description: 'Namespace of the Kubernetes cluster for agents that are pods, e.g. `instance-engine-agents`.',
        otherwise: 'pods wait for a worker that has one',
      }),
    KUBECONFIG: z.string().min(1).optional().meta({
      description: 'File with the address and the login of the Kubernetes cluster. Its current context is used.',
      otherwise: 'the service account of the pod in which the worker runs',
    }),
    KUBERNETES_SANDBOXES: z.enum(['auto', 'never']).default('auto').meta({
      description:
        '`auto`: where the cluster has agent-sandbox, an agent is a Sandbox, which has the pod. `never`: always a pod.',
    }),
  },
  async open(
    { KUBERNETES_NAMESPACE: namespace, KUBECONFIG: kubeconfig, KUBERNETES_SANDBOXES: sandboxes },
    { scope, logger },
  ) {
    const { createKubernetesRuntime } = await import('./kubernetes-runtime.ts');
    return createKubernetesRuntime({ namespace, kubeconfig, sandboxes, scope, logger });
  },
});
