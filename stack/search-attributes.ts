import type { Connection } from '@temporalio/client';

/** INDEXED_VALUE_TYPE_KEYWORD of temporal.api.enums.v1. */
const keyword = 2;

/**
 * Registers search attributes of type Keyword; those that exist are left alone. The dev server's own option does not serve: it
 * has no effect on a database file that exists already.
 */
export async function addSearchAttributes(connection: Connection, namespace: string, names: string[]): Promise<void> {
  const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
  const missing = names.filter((name) => customAttributes[name] === undefined);
  if (missing.length === 0) return;
  const searchAttributes = Object.fromEntries(missing.map((name) => [name, keyword]));
  await connection.operatorService.addSearchAttributes({ namespace, searchAttributes });
}
