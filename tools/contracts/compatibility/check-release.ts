import type { Change, JsonObject } from './change.ts';
import { releasedFolder, type Released } from './released.ts';

/** Records every contract that `checkRelease` finds new or compatible. */
export const recordCommand = 'npm run contracts:generate';

/** One version of a contract as the code has it now. */
export interface Contract {
  /** Names a folder, so it has only letters, digits, `_`, `-` and `.`. */
  name: string;
  version: number;
  document: JsonObject;
  compare: (before: JsonObject, after: JsonObject) => Change[];
  /** What a next version needs besides its document, as the sentence says it. */
  nextNeeds?: string;
  /** Whether a next version replaces the older ones, so that nobody has to read them any more. */
  replaces?: boolean;
}

/** How one version of a contract compares with what was released of it. */
export interface ReleaseCheck {
  name: string;
  version: number;
  /** The newest released revision; undefined before the first release. */
  revision: number | undefined;
  /** `breaking` and `dropped` are refused. `compatible` and `new` can be recorded. */
  status: 'unchanged' | 'compatible' | 'breaking' | 'new' | 'dropped';
  /** Every difference, then what to do about it. Empty when `unchanged`. */
  sentences: string[];
}

/**
 * Compares each version with all of its released revisions, because a consumer may have been built on any of them.
 *
 * @throws Error when a version of a contract is given twice
 */
export function checkRelease(contracts: readonly Contract[], released: readonly Released[]): ReleaseCheck[] {
  const titles = contracts.map(titleOf);
  const twice = titles.find((title, index) => titles.indexOf(title) !== index);
  if (twice !== undefined) throw new Error(`${twice} is there twice: pass each version of a contract once`);
  const revisionsOf = (version: Version): Released[] => released.filter((each) => titleOf(each) === titleOf(version));
  const dropped = released
    .filter((each) => each.revision === 0 && !titles.includes(titleOf(each)))
    .filter(
      ({ name, version }) => !contracts.some((now) => now.replaces && now.name === name && now.version > version),
    );
  return [
    ...contracts.map((contract) => {
      const versions = [...contracts, ...released].filter(({ name }) => name === contract.name);
      const revisions = revisionsOf(contract);
      const numbers = versions.map(({ version }) => version);
      return revisions.length === 0 ? firstCheck(contract, numbers) : checkContract(contract, revisions, numbers);
    }),
    ...dropped.map((each) => droppedCheck(each, revisionsOf(each).length - 1)),
  ];
}

export function isRefused({ status }: ReleaseCheck): boolean {
  return status === 'breaking' || status === 'dropped';
}

function checkContract(contract: Contract, revisions: readonly Released[], versions: number[]): ReleaseCheck {
  const { name, version, compare } = contract;
  // What JSON does not keep is no difference: the released document was read from a file.
  const document = JSON.parse(JSON.stringify(contract.document)) as JsonObject;
  const compared = revisions.map(({ revision, document: before }) => {
    return { revision, changes: compare(before, document) };
  });
  const breaking = sentencesOf(contract, compared, 'breaking');
  const compatible = sentencesOf(contract, compared.slice(-1), 'compatible');
  const revision = revisions.at(-1)?.revision ?? 0;
  const check = { name, version, revision };
  if (breaking.length > 0) {
    return { ...check, status: 'breaking', sentences: [...breaking, wayOut(contract, revision, versions)] };
  }
  if (compatible.length === 0) return { ...check, status: 'unchanged', sentences: [] };
  return { ...check, status: 'compatible', sentences: [...compatible, `Record it: ${recordCommand}`] };
}

function firstCheck(contract: Contract, versions: number[]): ReleaseCheck {
  const { name, version } = contract;
  const check = { name, version, revision: undefined };
  const last = Math.max(0, ...versions.filter((each) => each < version));
  if (version === last + 1) {
    const sentences = [`${titleOf(contract)} was not released yet.`, `Record it: ${recordCommand}`];
    return { ...check, status: 'new', sentences };
  }
  const position = last === 0 ? 'is the first one' : `follows version ${last}`;
  const sentence = `${titleOf(contract)} ${position}: versions leave no gap, so make it version ${last + 1}.`;
  return { ...check, status: 'breaking', sentences: [sentence] };
}

function droppedCheck({ name, version }: Released, revision: number): ReleaseCheck {
  const sentence =
    `${titleOf({ name, version })} was released and is no longer there: the queues and the log may still hold messages ` +
    `of it. Every released version stays readable: bring it back in contracts/. ${takenBack(revision)}`;
  return { name, version, revision, status: 'dropped', sentences: [sentence] };
}

/** Each sentence once, with the revisions that it holds against. */
function sentencesOf(
  contract: Contract,
  compared: readonly { revision: number; changes: Change[] }[],
  kind: Change['kind'],
): string[] {
  const revisions = new Map<string, number[]>();
  for (const { revision, changes } of compared) {
    for (const { sentence } of changes.filter((change) => change.kind === kind)) {
      revisions.set(sentence, [...(revisions.get(sentence) ?? []), revision]);
    }
  }
  return [...revisions].map(
    ([sentence, against]) => `${titleOf(contract)}, against revision ${against.join(' and ')}: ${sentence}`,
  );
}

function wayOut(contract: Contract, revision: number, versions: number[]): string {
  const { name, version, nextNeeds = 'an upcaster', replaces } = contract;
  const next = Math.max(...versions) + 1;
  const raise = replaces
    ? `Make it version ${next} of ${name}`
    : `Keep version ${version} of ${name} as it is and add version ${next}`;
  return `${raise} with ${nextNeeds} (CONTRIBUTING.md, A breaking change), or make the change compatible. ${takenBack(revision)}`;
}

function takenBack(revision: number): string {
  return (
    `If revision ${revision} was never on the main branch, it may be taken back: git restore --staged --worktree ` +
    `--source "$(git merge-base main HEAD)" ${releasedFolder}, then ${recordCommand}. ` +
    `A revision that was never committed is replaced by ${recordCommand} alone.`
  );
}

type Version = Pick<Contract, 'name' | 'version'>;

function titleOf({ name, version }: Version): string {
  return `${name}, version ${version}`;
}
