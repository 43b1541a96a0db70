import type { Connection } from '@temporalio/client';
import { searchAttributeNames } from '../../contracts/names.ts';
import { describe, FatalError } from '../../bridge/supervise.ts';

/** `IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD` of Temporal's API. */
const keyword = 2;

/**
 * Registers the search attributes that are missing; signals that set an unknown one would be refused.
 *
 * @throws FatalError with the command to run, when this login may not register them
 */
export async function ensureSearchAttributes(
  connection: Pick<Connection, 'operatorService'>,
  namespace: string,
): Promise<void> {
  const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
  const missing = Object.values(searchAttributeNames).filter((name) => customAttributes[name] === undefined);
  if (missing.length === 0) return;
  try {
    await connection.operatorService.addSearchAttributes({
      namespace,
      searchAttributes: Object.fromEntries(missing.map((name) => [name, keyword])),
    });
  } catch (error) {
    if (describe(error).includes('already exist')) return;
    const flags = missing.map((name) => `--name ${name} --type Keyword`).join(' ');
    throw new FatalError(
      `Temporal's namespace ${namespace} lacks the search attributes ${missing.join(', ')}: ${describe(error)}. ` +
        `Register them: temporal operator search-attribute create --namespace ${namespace} ${flags}`,
      { cause: error },
    );
  }
}
