import { removeMachineSettings } from './environment.ts';

removeMachineSettings(process.env, { process: 'tests' });
