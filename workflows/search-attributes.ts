import { defineSearchAttributeKey } from '@temporalio/common';
import { searchAttributeNames } from '../contracts/names.ts';

export const instanceStatusAttribute = defineSearchAttributeKey(searchAttributeNames.status, 'KEYWORD');
export const statusReasonAttribute = defineSearchAttributeKey(searchAttributeNames.statusReason, 'KEYWORD');
export const agentIdAttribute = defineSearchAttributeKey(searchAttributeNames.agentId, 'KEYWORD');
export const userIdAttribute = defineSearchAttributeKey(searchAttributeNames.userId, 'KEYWORD');
export const rolloutStatusAttribute = defineSearchAttributeKey(searchAttributeNames.rolloutStatus, 'KEYWORD');
