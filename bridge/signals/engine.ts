import { isGrpcServiceError, type Client, type ConnectionLike } from '@temporalio/client';
import type { Queryable } from '../../database/instance-view.ts';

/** Where an engine works. */
export interface Engine {
  namespace: string;
  /** Temporal's id of the namespace; undefined where it is not known. */
  namespaceId?: string | undefined;
  /** Undefined where the process does not need it, and was not given it. */
  taskQueue?: string | undefined;
}

/** The engine of the database is not the one that this process is set to. */
export class AnotherEngine extends Error {
  override name = 'AnotherEngine';
}

/** A row of the table `engine`. */
export interface EngineRow {
  namespace: string;
  namespace_id: string | null;
  task_queue: string;
}

export const selectEngine = 'select namespace, namespace_id, task_queue from engine';

/** What is unknown on either side counts as equal. @throws AnotherEngine saying what differs */
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
 * To be called before anything is asked of a workflow in the name of a row. A database that no engine has worked on yet belongs to any.
 *
 * @throws AnotherEngine; what the database or Temporal fails with
 */
export async function requireSameEngine(database: Queryable, client: Client, taskQueue?: string): Promise<void> {
  const { namespace } = client.options;
  const { rows } = await database.query<EngineRow>(selectEngine);
  const [recorded] = rows;
  if (!recorded) return;
  compareEngines(recorded, { namespace, taskQueue });
  compareEngines(recorded, { namespace, taskQueue, namespaceId: await readNamespaceId(client.connection, namespace) });
}

/** @returns undefined where the account may not ask for it. @throws what Temporal fails with */
export async function readNamespaceId(
  { workflowService }: Pick<ConnectionLike, 'workflowService'>,
  namespace: string,
): Promise<string | undefined> {
  try {
    const { namespaceInfo } = await workflowService.describeNamespace({ namespace });
    return namespaceInfo?.id || undefined;
  } catch (error) {
    if (isGrpcServiceError(error) && error.code === grpcPermissionDenied) return undefined;
    throw error;
  }
}

const grpcPermissionDenied = 7;
