/** Bodies that the page sends and reads. `test/unit/page-types.test.ts` checks them against the schemas of the backends. */

export interface Me {
  user_id: string;
  is_admin: boolean;
  expires_at: string;
}

export interface PageSettings {
  admin_backend_url: string | null;
  /** Address of the workflows in the Web UI; an encoded workflow id may follow. */
  temporal_ui_url: string | null;
}

export type InstanceStatus = 'pending' | 'running' | 'failed' | 'stopped';
export type DesiredState = 'running' | 'stopped';
export type Json = Record<string, unknown>;

export interface Reason {
  code: string;
  message: string;
}

export interface Instance {
  id: string;
  agent_id: string;
  agent_name: string | null;
  agent_version: string | null;
  agent_retired: boolean;
  user_id: string;
  /** Lists leave the config out. */
  config?: Json;
  desired_state: DesiredState;
  status: InstanceStatus;
  reason: Reason | null;
  generation: number;
  observed_generation: number;
  sequence: number;
  created_at: string;
  updated_at: string;
}

export interface InstancePage {
  instances: Instance[];
  next_cursor: string | null;
}

export interface InstanceQuery {
  status?: string;
  user_id?: string;
  limit?: number;
  cursor?: string;
}

export interface NewInstance {
  agent_id: string;
  config: Json;
  desired_state: DesiredState;
}

export interface InstanceEvent {
  type: 'instance.updated' | 'instance.deleted';
  event_id: string;
  sequence: number;
  agent_id: string;
  user_id: string;
  desired_state: DesiredState;
  generation: number;
  observed_generation: number;
  /** The documented body of the event. */
  instance: {
    instance_id: string;
    status?: InstanceStatus;
    metadata?: { status_reason?: Reason | null };
    updated_at?: string;
  };
}

export type LiveMessage = InstanceEvent | { type: 'ready' } | { type: 'lagging' } | { type: 'resync'; reason: string };

export type TimelineSource = 'row' | 'workflow' | 'runtime' | 'dead letter';

export interface TimelineLine {
  time: string | null;
  source: TimelineSource;
  text: string;
  bad: boolean;
}

export interface Explanation {
  instance_id: string;
  verdict: {
    state: 'running' | 'stopped' | 'failed' | 'deleted' | 'waiting' | 'stuck' | 'unknown';
    sentence: string;
  };
  /** Null when the instance is deleted. */
  row: { sequence: number } | null;
  earlier_lines: number;
  timeline: TimelineLine[];
  missing: { part: string; reason: string }[];
  not_looked_at: string[];
}

/** An agent as users see it: something to create an instance from. */
export interface CatalogAgent {
  id: string;
  name: string;
  version: string;
  capabilities: string[];
  retired_at: string | null;
}

/** An agent as admins see it in the list. */
export interface ListedAgent extends CatalogAgent {
  drain: boolean;
  created_at: string;
  updated_at: string;
  instances: number;
}

export interface Agent extends ListedAgent {
  runtime: Json;
}

export interface AgentFields {
  name: string;
  version: string;
  capabilities: string[];
  runtime: Json;
}

export interface AuditEntry {
  position: number;
  event_id: string;
  type: string;
  time: string;
  instance_id: string | null;
  agent_id: string | null;
  user_id: string | null;
  sequence: number;
  body: unknown;
  recorded_at: string;
  hash: string;
}

export interface AuditPage {
  entries: AuditEntry[];
  next_cursor: string | null;
}

export interface AuditVerification {
  intact: boolean;
  entries: number;
  first_position: number | null;
  last_position: number | null;
  head_hash: string | null;
  problem: string | null;
  notice: string | null;
}

export interface DeadLetter {
  id: string;
  queue: string;
  origin_queue: string;
  type: string | null;
  subject: string | null;
  sequence: number | null;
  reason: string;
  time: string | null;
  size_bytes: number;
}

export interface DeadLetters {
  letters: DeadLetter[];
  not_looked_at: string[];
}

export interface DeadLetterContent extends DeadLetter {
  headers: Json;
  body: string;
  body_encoding: string;
  body_cut: boolean;
}
