/** Identifies a process for good. A pid alone does not, because the system reuses it. */
export interface ProcessIdentity {
  pid: number;
  /** The start time in a form that only allows comparison. */
  startedAt: string;
}

export interface ProcessEntry extends ProcessIdentity {
  /** The process group, which is the pid of the process that leads it. */
  group: number;
  /** The process has ended, but its parent has not collected the exit code yet. */
  zombie: boolean;
}

/** What the environment of a process says about the instance that it belongs to. */
export interface InstanceMarks {
  /** The variable `INSTANCE_NAME` of its environment. */
  instanceName?: string;
  /** The folder of the instance, from the variable `INSTANCE_CONFIG_FILE` of its environment. */
  instanceFolder?: string;
}

/** A living process, and which instance it belongs to. */
export interface MarkedProcess extends ProcessEntry, InstanceMarks {
  /** The real user. Only Linux tells it. */
  uid?: number;
}
