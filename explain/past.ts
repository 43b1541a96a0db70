/** The beginning of the past that is shown of an instance. */
export interface Past {
  /** The first version of the row to show. */
  fromSequence: number;
  /** The time of that version. Earlier lines of the workflow are left out. */
  since?: Date;
}

export const wholePast: Past = { fromSequence: 0 };
