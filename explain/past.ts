/** From when on the past of an instance is shown. */
export interface Past {
  /** The first version of the row. */
  fromSequence: number;
  /** When that version was written; of the workflow, what happened before is left out. */
  since?: Date;
}

export const wholePast: Past = { fromSequence: 0 };
