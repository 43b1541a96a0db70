import { TestWorkflowEnvironment } from '@temporalio/testing';
import { inject } from 'vitest';
import { searchAttributeNames } from '../../contracts/names.ts';
import { useEngine } from './engine.ts';

/** `IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD` of Temporal's API. */
const keyword = 2;

/** The workflow on a time-skipping server of the test file's own. */
export function useTimeSkipping() {
  return useEngine({
    program: inject('temporalPrograms').timeSkipping,
    open: async (path, client) => {
      const environment = await TestWorkflowEnvironment.createTimeSkipping({
        client,
        server: { executable: { type: 'existing-path', path } },
      });
      // This server can add search attributes, but not say which there are.
      await environment.connection.operatorService.addSearchAttributes({
        namespace: 'default',
        searchAttributes: Object.fromEntries(Object.values(searchAttributeNames).map((name) => [name, keyword])),
      });
      return environment;
    },
  });
}
