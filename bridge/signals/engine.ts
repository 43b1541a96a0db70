import { isGrpcServiceError, type Client, type ConnectionLike } from '@temporalio/client';
import { grpcCodes } from './temporal-refusal.ts';
import type { Queryable } from '../../database/instances/view.ts';

export interface Engine {
  namespace: string;
  /** Temporal's id of the namespace; undefined if it is unknown. */
  namespaceId?: string | undefined;
  /** Undefined in processes that have no such setting. */
  taskQueue?: string | undefined;
}

/** The settings of this process name another engine than the one that the database belongs to. */
export class AnotherEngine extends Error {
  override name = 'AnotherEngine';
}

export interface EngineRow {
  namespace: string;
  namespace_id: string | null;
  task_queue: string;
}

export const selectEngine = 'select namespace, namespace_id, task_queue from engine';

/** Compares two engines; an unknown value equals every value. @throws AnotherEngine that says what differs */
export function compareEngines(recorded: EngineRow, own: Engine): void {
  const { namespace, namespaceId = recorded.namespace_id, taskQueue = recorded.task_queue } = own;
  if (recorded.namespace !== namespace || recorded.task_queue !== taskQueue) {
    const ofOwn = `TEMPORAL_NAMESPACE=${namespace}${own.taskQueue === undefined ? '' : ` and TASK_QUEUE=${taskQueue}`}`;
    throw new AnotherEngine(
      `The engine of this database has TEMPORAL_NAMESPACE=${recorded.namespace} and TASK_QUEUE=${recorded.task_queue}, and not ${ofOwn}.`,
    );
  }
  if (recorded.namespace_id !== null && recorded.namespace_id !== namespaceId) {
    throw new AnotherEngine(
      `The engine of this database has the namespace ${namespace} with the id ${recorded.namespace_id}. TEMPORAL_ADDRESS leads to ` +
        `another Temporal, whose namespace of that name has the id ${namespaceId}.`,
    );
  }
}

/**
 * Makes sure that Temporal has the workflows of this database. Must be called before a workflow is signalled on behalf of a row. A
 * database without an engine fits every engine.
 *
 * @throws AnotherEngine; errors of the database and of Temporal
 */
export async function requireSameEngine(database: Queryable, client: Client, taskQueue?: string): Promise<void> {
  const { namespace } = client.options;
  const { rows } = await database.query<EngineRow>(selectEngine);
  const [recorded] = rows;
  if (!recorded) return;
  compareEngines(recorded, { namespace, taskQueue });
  compareEngines(recorded, { namespace, taskQueue, namespaceId: await readNamespaceId(client.connection, namespace) });
}

/** @returns undefined if the account may not read it. @throws errors of Temporal */
export async function readNamespaceId(
  { workflowService }: Pick<ConnectionLike, 'workflowService'>,
  namespace: string,
): Promise<string | undefined> {
  try {
    const { namespaceInfo } = await workflowService.describeNamespace({ namespace });
    return namespaceInfo?.id || undefined;
  } catch (error) {
    if (isGrpcServiceError(error) && error.code === grpcCodes.permissionDenied) return undefined;
    throw error;
  }
}
