import { removeMachineSettings } from './environment.ts';

removeMachineSettings({ process: 'tests' });
