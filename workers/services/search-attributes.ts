import { isGrpcServiceError, type Connection } from '@temporalio/client';
import { searchAttributeNames } from '../../contracts/names.ts';
import { errorMessage, FatalError } from '../../supervision/errors.ts';
import { grpcCodes } from '../../bridge/signals/temporal-refusal.ts';

/** Names of the `IndexedValueType` numbers in Temporal's API, as Temporal's command line takes them. */
const typeNames = ['Unspecified', 'Text', 'Keyword', 'Int', 'Double', 'Bool', 'Datetime', 'KeywordList'];
const keyword = typeNames.indexOf('Keyword');

const passing: ReadonlySet<number> = new Set([
  grpcCodes.deadlineExceeded,
  grpcCodes.resourceExhausted,
  grpcCodes.aborted,
  grpcCodes.unavailable,
]);

type Operator = Pick<Connection, 'operatorService'>;

/**
 * Registers missing search attributes. Temporal refuses every start of a workflow that sets an attribute that is unknown or has
 * another type.
 *
 * @returns the names of the newly registered attributes
 * @throws FatalError with the commands to run, when an attribute has another type, or this login may not list or register
 * them; any other error may pass
 */
export async function ensureSearchAttributes(connection: Operator, namespace: string): Promise<string[]> {
  const missing = await findMissing(connection, namespace);
  if (missing.length === 0) return [];
  try {
    await connection.operatorService.addSearchAttributes({
      namespace,
      searchAttributes: Object.fromEntries(missing.map((name) => [name, keyword])),
    });
    return missing;
  } catch (error) {
    if (mayPass(error)) throw error;
    if (errorMessage(error).includes('already exist')) {
      // Another process has registered them meanwhile and may have chosen another type.
      await findMissing(connection, namespace);
      return [];
    }
    throw new FatalError(
      `Temporal's namespace ${namespace} lacks the search attributes ${missing.join(', ')}: ${errorMessage(error)}. ` +
        `Register them: ${createCommand(namespace, missing)}`,
      { cause: error },
    );
  }
}

/** @throws FatalError when one of the attributes has another type */
async function findMissing(connection: Operator, namespace: string): Promise<string[]> {
  const types = await listTypes(connection, namespace);
  const names = Object.values(searchAttributeNames);
  const wrong = names.filter((name) => types[name] !== undefined && types[name] !== keyword);
  if (wrong.length === 0) return names.filter((name) => types[name] === undefined);
  const found = wrong.map((name) => `${name} is ${typeNames[types[name] ?? 0] ?? types[name]}`).join(', ');
  const flags = wrong.map((name) => `--name ${name}`).join(' ');
  throw new FatalError(
    `Search attributes of Temporal's namespace ${namespace} must be of the type Keyword, but ${found}: Temporal would ` +
      'refuse every start of a workflow. Use another namespace (TEMPORAL_NAMESPACE), or, if nothing else needs them, ' +
      `register them anew: temporal operator search-attribute remove --namespace ${namespace} ${flags}, then ` +
      createCommand(namespace, wrong),
  );
}

async function listTypes(connection: Operator, namespace: string): Promise<Record<string, number | undefined>> {
  try {
    const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
    return customAttributes;
  } catch (error) {
    if (!isGrpcServiceError(error) || error.code !== grpcCodes.permissionDenied) throw error;
    throw new FatalError(
      `This login may not list the search attributes of Temporal's namespace ${namespace}: ${errorMessage(error)}. ` +
        'Give it the right to call ListSearchAttributes.',
      { cause: error },
    );
  }
}

function createCommand(namespace: string, names: readonly string[]): string {
  const flags = names.map((name) => `--name ${name} --type Keyword`).join(' ');
  return `temporal operator search-attribute create --namespace ${namespace} ${flags}`;
}

function mayPass(error: unknown): boolean {
  return isGrpcServiceError(error) && passing.has(error.code);
}
