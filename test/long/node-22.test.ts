import { testOnNode } from '../support/on-node-version.ts';

testOnNode(22);
