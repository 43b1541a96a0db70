import { compareSchemas } from '../compatibility/compare-schemas.ts';
import { compareTopology } from '../compatibility/compare-topology.ts';
import type { Contract } from '../compatibility/check-release.ts';
import { controlQueueOf, replicaQueueOf, topology, topologyVersion } from '../../../contracts/topology.ts';
import { publishedSchemas } from './json-schemas.ts';

/** Every version of every contract in the code, which is compared with `contracts/released/`. */
export function currentContracts(): Contract[] {
  return [
    ...publishedSchemas().map(({ name, version, schema }) => ({
      name,
      version,
      document: schema,
      compare: compareSchemas,
      ...(name.startsWith('headers.') && { nextNeeds: 'readers of both: headers have no version on the wire' }),
    })),
    {
      name: 'topology',
      version: topologyVersion,
      document: { ...topology, queues: [...topology.queues, controlQueue, replicaQueue] },
      compare: compareTopology,
      replaces: true,
      nextNeeds: 'a way to move the messages',
    },
  ];
}

const controlQueue = controlQueueOf({ instanceId: '<instance_id>', agentId: '<agent_id>' });
const replicaQueue = replicaQueueOf('<uuid>');
