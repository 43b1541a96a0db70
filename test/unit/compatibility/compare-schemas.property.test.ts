import { isDeepStrictEqual } from 'node:util';
import { Ajv } from 'ajv';
import addFormats from 'ajv-formats';
import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { compareSchemas } from '../../../tools/contracts/compatibility/compare-schemas.ts';
import { edit, edited, instanceOf, placesIn, schema, type Edit, type Schema } from '../../support/json-schemas.ts';

// This takes a second or two on an idle machine. fast-check prints the seed and the smallest change that breaks the rule.
vi.setConfig({ testTimeout: 60_000 });

/** Fills in the defaults of the schema. */
const ajv = addFormats.default(new Ajv({ strict: false, useDefaults: true }));
const read = (under: Schema, instance: unknown): { valid: boolean; value: unknown } => {
  const value = structuredClone(instance);
  return { valid: ajv.validate(under, value), value };
};

const change = fc
  .tuple(schema, fc.array(edit, { minLength: 1, maxLength: 2 }))
  .map(([before, edits]: [Schema, Edit[]]) => ({ before, after: edits.reduce(edited, before) }));
const changeWithoutBreaking = change.filter(
  ({ before, after }) =>
    !isDeepStrictEqual(before, after) &&
    compareSchemas(before, after).every(({ kind }) => kind === 'compatible') &&
    // The types of zod ensure that a default is valid.
    placesIn(after).every((place) => !('default' in place) || ajv.validate(place, place['default'])),
);

test('whatever is written under either of two compatible schemas is read under the other', () => {
  let readBack = 0;
  fc.assert(
    fc.property(changeWithoutBreaking, fc.integer(), ({ before, after }, seed) => {
      for (const [writer, reader] of [
        [before, after],
        [after, before],
      ] as const) {
        for (const instance of fc.sample(instanceOf(writer), { numRuns: 10, seed })) {
          if (!read(writer, instance).valid) continue;
          readBack += 1;
          expect({ instance, ...read(reader, instance) }).toMatchObject({ instance, valid: true });
          // A field that is left out means the same to both. Only a new field may have a default of its own.
          expect({ value: read(after, instance).value }).toMatchObject({ value: read(before, instance).value });
        }
      }
      ajv.removeSchema();
    }),
    { numRuns: 250 },
  );
  // The rule was tried often enough.
  expect(readBack).toBeGreaterThan(500);
});
