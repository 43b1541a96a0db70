import type { InstanceStatus, StatusReason } from '../contracts/names.ts';
import type { InstanceEvent } from '../workflows/state.ts';
import type { PlaceResult, ProvisionResult, RecordStatusResult } from './steps.ts';

export function placedBy(result: PlaceResult): InstanceEvent {
  switch (result.outcome) {
    case 'placed':
      return { type: 'placed', hostId: result.hostId, ...(result.leftHostId && { leftHostId: result.leftHostId }) };
    case 'noHost':
      return { type: 'noHost', row: result.row, message: result.message };
    case 'hostLost':
      return { ...result, type: 'located' };
    case 'agentMissing':
    case 'notWanted':
    case 'gone':
      return nothingToStart(result);
  }
}

export function provisionedBy(hostId: string, result: ProvisionResult): InstanceEvent {
  switch (result.outcome) {
    case 'provisioned': {
      const { row, runtimeId, where, restart } = result;
      return { type: 'provisioned', row, runtimeId, where, restart, hostId };
    }
    case 'misplaced':
      return { type: 'stepEnded' };
    case 'agentMissing':
    case 'notWanted':
    case 'gone':
      return nothingToStart(result);
  }
}

export function recordedBy(
  { status, generation, reason }: { status: InstanceStatus; generation: number; reason?: StatusReason },
  result: RecordStatusResult,
): InstanceEvent {
  switch (result.outcome) {
    case 'gone':
      return { type: 'rowGone' };
    case 'superseded':
      return { type: 'statusSuperseded' };
    case 'recorded':
    case 'unchanged':
    case 'stale':
      return { type: 'statusRecorded', status, generation, row: result.row, ...(reason && { reason }) };
  }
}

function nothingToStart(
  result: Extract<PlaceResult, { outcome: 'agentMissing' | 'notWanted' | 'gone' }>,
): InstanceEvent {
  switch (result.outcome) {
    case 'agentMissing':
      return { type: 'agentMissing', row: result.row, message: result.message };
    case 'notWanted':
      return { type: 'notWanted', row: result.row };
    case 'gone':
      return { type: 'rowGone' };
  }
}
