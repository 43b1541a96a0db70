import type { Change, JsonObject } from './change.ts';
import { releasedFolder, type Released } from './released.ts';

/** Records what `judge` finds new or compatible. */
export const recordCommand = 'npm run contracts:generate';

/** One version of a contract as the code has it now. */
export interface Contract {
  /** Of letters, digits, `_`, `-` and `.`: it names a folder. */
  name: string;
  version: number;
  document: JsonObject;
  compare: (before: JsonObject, after: JsonObject) => Change[];
  /** What a next version needs besides its document, for the sentence; an upcaster when left out. */
  nextNeeds?: string;
  /** A next version takes the place of those before it: nobody has to read them any more. */
  replaces?: boolean;
}

export interface Verdict {
  name: string;
  version: number;
  /** The newest that is released; undefined when none is. */
  revision: number | undefined;
  /** `breaking` and `dropped` must not be released. `compatible` and `new` are still to be recorded. */
  status: 'unchanged' | 'compatible' | 'breaking' | 'new' | 'dropped';
  /** For a person: what differs, and last what to do. Empty when `unchanged`. */
  sentences: string[];
}

/**
 * Compares each version with every revision of it that was released: a consumer may have been built on any of them.
 *
 * @throws Error when a version of a contract is there twice
 */
export function judge(contracts: readonly Contract[], released: readonly Released[]): Verdict[] {
  const keys = contracts.map(({ name, version }) => `${name}, version ${version}`);
  const twice = keys.find((key, index) => keys.indexOf(key) !== index);
  if (twice !== undefined) throw new Error(`${twice} is there twice: hand in each version of a contract once`);
  return [
    ...contracts.map((contract) => judgeContract(contract, { contracts, released })),
    ...released
      .filter(({ name, version, revision }) => revision === 0 && !keys.includes(`${name}, version ${version}`))
      .filter((each) => !contracts.some((now) => now.replaces && now.name === each.name && now.version > each.version))
      .map((document) => dropped(document, released)),
  ];
}

export function isRefused({ status }: Verdict): boolean {
  return status === 'breaking' || status === 'dropped';
}

interface Known {
  contracts: readonly Contract[];
  released: readonly Released[];
}

function judgeContract(contract: Contract, known: Known): Verdict {
  const { name, version, compare } = contract;
  const revisions = known.released.filter((each) => each.name === name && each.version === version);
  const newest = revisions.at(-1);
  const verdict = { name, version, revision: newest?.revision };
  if (newest === undefined) return { ...verdict, ...judgeFirst(contract, known) };

  // As it would be read back: without what JSON does not keep.
  const document = JSON.parse(JSON.stringify(contract.document)) as JsonObject;
  const compared = revisions.map((released) => ({ released, changes: compare(released.document, document) }));
  const breaking = sentencesOf(contract, compared, 'breaking');
  if (breaking.length > 0) {
    return { ...verdict, status: 'breaking', sentences: [...breaking, wayOut(contract, newest, known)] };
  }
  if (compared.at(-1)?.changes.length === 0) return { ...verdict, status: 'unchanged', sentences: [] };
  const compatible = sentencesOf(contract, compared.slice(-1), 'compatible');
  return { ...verdict, status: 'compatible', sentences: [...compatible, `Record it: ${recordCommand}`] };
}

function judgeFirst(
  { name, version }: Contract,
  { contracts, released }: Known,
): Pick<Verdict, 'status' | 'sentences'> {
  const before = [...contracts, ...released].filter((each) => each.name === name && each.version < version);
  const last = Math.max(0, ...before.map((each) => each.version));
  if (version === last + 1) {
    const sentence = `${name}, version ${version} was not released yet.`;
    return { status: 'new', sentences: [sentence, `Record it: ${recordCommand}`] };
  }
  const position = last === 0 ? 'is the first one' : `follows version ${last}`;
  return {
    status: 'breaking',
    sentences: [`${name}, version ${version} ${position}: versions leave no gap, so make it version ${last + 1}.`],
  };
}

interface Compared {
  released: Released;
  changes: Change[];
}

/** Each once, with the revisions that it holds against. */
function sentencesOf({ name, version }: Contract, compared: readonly Compared[], kind: Change['kind']): string[] {
  const revisions = new Map<string, number[]>();
  for (const { released, changes } of compared) {
    for (const { sentence } of changes.filter((change) => change.kind === kind)) {
      revisions.set(sentence, [...(revisions.get(sentence) ?? []), released.revision]);
    }
  }
  return [...revisions].map(
    ([sentence, against]) => `${name}, version ${version}, against revision ${against.join(' and ')}: ${sentence}`,
  );
}

function wayOut(
  { name, version, nextNeeds = 'an upcaster', replaces = false }: Contract,
  { revision }: Released,
  { contracts, released }: Known,
): string {
  const versions = [...contracts, ...released].filter((each) => each.name === name).map((each) => each.version);
  const next = Math.max(...versions) + 1;
  const raise = replaces
    ? `Make it version ${next} of ${name}`
    : `Keep version ${version} of ${name} as it is and add version ${next}`;
  return `${raise} with ${nextNeeds} (CONTRIBUTING.md, A breaking change), or make the change compatible. ${takenBack(revision)}`;
}

function dropped(first: Released, released: readonly Released[]): Verdict {
  const { name, version } = first;
  const revision = released.findLast((each) => each.name === name && each.version === version)?.revision ?? 0;
  const sentence =
    `${name}, version ${version} was released and is no longer there: messages of it may still be in queues and in ` +
    `the log. Every released version is kept and read: bring it back in contracts/. ${takenBack(revision)}`;
  return { name, version, revision, status: 'dropped', sentences: [sentence] };
}

function takenBack(revision: number): string {
  return (
    `If revision ${revision} was never on the main branch, it may be taken back: git restore --staged --worktree ` +
    `--source "$(git merge-base main HEAD)" ${releasedFolder}, then ${recordCommand}. ` +
    `One that no commit has yet is replaced by ${recordCommand} alone.`
  );
}
