import { isDeepStrictEqual } from 'node:util';
import { shown } from './change.ts';

/** Keywords that have no effect on which values are valid. */
const prose = new Set(['$id', '$comment', 'title', 'description', 'examples', 'deprecated']);

export function isProse(keyword: string): boolean {
  return prose.has(keyword);
}

/** Says why a change of a keyword is breaking. `difference` names both values. */
type Rule = (old: unknown, now: unknown, difference: string) => string | string[];

const narrows = 'narrower, so newer readers refuse what older writers may have written.';
const widens = 'wider, so older readers refuse what newer writers may write.';
const differs = 'readers of the one form may refuse what writers of the other write.';

const presence: Rule = (old, now, difference) =>
  `${difference}: ${old === undefined ? narrows : now === undefined ? widens : differs}`;

const upperLimit: Rule = (old, now, difference) =>
  Number.isFinite(old) && Number.isFinite(now)
    ? `${difference}: ${Number(now) > Number(old) ? widens : narrows}`
    : presence(old, now, difference);

const lowerLimit: Rule = (old, now, difference) =>
  Number.isFinite(old) && Number.isFinite(now) ? upperLimit(now, old, difference) : presence(old, now, difference);

const union: Rule = (_old, _now, difference) =>
  `${difference}: no constant tells these branches apart, so the change cannot be judged.`;

/** A keyword without a rule cannot be judged. */
export const rules: Readonly<Record<string, Rule>> = {
  kind: (old, now) => `was ${String(old)} and is ${String(now)} now: ${differs}`,
  nullable: (_old, now) =>
    now
      ? 'could not be null and can be null now: older readers refuse null.'
      : 'could be null and cannot be null now: newer readers refuse the null that older writers wrote.',
  required: (_old, now) =>
    now
      ? 'was optional and is required now: newer readers refuse what was written without it.'
      : 'was required and is optional now: older readers refuse what is written without it.',
  values: valuesChange,
  default: (old, now) =>
    `had the default ${shown(old)}, which is ${shown(now)} now: a message that leaves the field out changes its meaning.`,
  additionalProperties: (old, now, difference) => {
    if (now === false) return `is closed (${difference}): newer readers refuse fields that they do not know.`;
    if (old === false) return `is open (${difference}): older readers refuse fields that they do not know.`;
    return `takes other fields differently (${difference}): a field that the schema does not name changes its meaning.`;
  },
  ...sharing(union, 'anyOf', 'oneOf'),
  ...sharing(upperLimit, 'maximum', 'exclusiveMaximum', 'maxLength', 'maxItems', 'maxProperties'),
  ...sharing(lowerLimit, 'minimum', 'exclusiveMinimum', 'minLength', 'minItems', 'minProperties'),
  ...sharing(presence, 'allOf', 'items', 'additionalItems', 'propertyNames', 'pattern', 'format', 'multipleOf'),
  ...sharing(presence, 'uniqueItems', 'contentEncoding', 'contentMediaType'),
};

function sharing(rule: Rule, ...keywords: string[]): Record<string, Rule> {
  return Object.fromEntries(keywords.map((keyword) => [keyword, rule]));
}

function valuesChange(before: unknown, after: unknown): string | string[] {
  if (!Array.isArray(before)) return `took any value and takes only ${listed(after)} now: ${narrows}`;
  if (!Array.isArray(after)) return `took only ${listed(before)} and takes any value now: ${widens}`;
  if (before.length === 1 && after.length === 1) {
    return `was ${listed(before)} and is ${listed(after)} now: ${differs}`;
  }
  return [
    ...without(before, after).map(
      (value) => `no longer takes ${shown(value)}: newer readers refuse what older writers wrote with it.`,
    ),
    ...without(after, before).map((value) => `takes ${shown(value)} now: older readers refuse it.`),
  ];
}

function without(values: readonly unknown[], others: readonly unknown[]): unknown[] {
  return values.filter((value) => !others.some((other) => isDeepStrictEqual(value, other)));
}

function listed(values: unknown): string {
  return Array.isArray(values) ? values.map((value) => shown(value)).join(', ') : shown(values);
}
