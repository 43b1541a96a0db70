/** One change that must not pass unnoticed. */
export interface Mutation {
  name: string;
  /** From the root of the repository; a new file where nothing is to be found in it. */
  file: string;
  /** There exactly once. */
  find?: string;
  replace: string;
  /** A line that names the cause. */
  says: RegExp;
}

export const mutations: readonly Mutation[] = [];
