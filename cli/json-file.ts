import { readFileSync } from 'node:fs';
import { InvalidArgumentError } from 'commander';
import { errorMessage } from '../supervision/errors.ts';
import { CommandError, exitCodes } from './command-error.ts';

/** For the value of an option. @throws InvalidArgumentError if it is no JSON */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new InvalidArgumentError(`It cannot be read as JSON: ${errorMessage(error)}.`);
  }
}

/** @throws CommandError if the file cannot be read as JSON */
export function readJsonFile(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    const sentence = `${path} cannot be read as JSON: ${errorMessage(error)}.`;
    throw new CommandError(sentence, { exitCode: exitCodes.usage, cause: error });
  }
}
