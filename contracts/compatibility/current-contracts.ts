import { publishedSchemas } from '../documents/json-schemas.ts';
import { controlQueueOf, topology, topologyVersion } from '../topology.ts';
import type { JsonObject } from './change.ts';
import { compareSchemas } from './compare-schemas.ts';
import { compareTopology } from './compare-topology.ts';
import type { Contract } from './judge.ts';

/** Every kept version of every contract, as the code has it: what is compared with `contracts/released/`. */
export function currentContracts(): Contract[] {
  return [
    ...publishedSchemas().map(({ name, version, schema }) => ({
      name,
      version,
      document: schema as JsonObject,
      compare: compareSchemas,
      ...(name.startsWith('headers.') && { nextNeeds: 'readers of both: headers have no version on the wire' }),
    })),
    {
      name: 'topology',
      version: topologyVersion,
      document: { ...topology, queues: [...topology.queues, controlQueue] } as unknown as JsonObject,
      compare: compareTopology,
      nextNeeds: 'a way to move the messages (CONTRIBUTING.md)',
    },
  ];
}

const controlQueue = controlQueueOf({ instanceId: '<instance_id>', agentId: '<agent_id>' });
