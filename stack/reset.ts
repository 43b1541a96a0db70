import { errorMessage } from '../supervision/errors.ts';
import { readGivenServers } from '../configuration/given-servers.ts';
import { developmentDirectory } from './paths.ts';
import { resetStack } from './stack.ts';

try {
  await resetStack(developmentDirectory(readGivenServers().stackDirectory));
  process.stdout.write('The data of `npm start` is gone; downloaded servers are kept.\n');
} catch (error) {
  process.stderr.write(`${errorMessage(error)}\n`);
  process.exitCode = 1;
}
