const kept = globalThis as { valuesOfTheRun?: Map<string, Promise<unknown>> };

/**
 * Makes a value for the global set-ups of all projects: the first that asks for it makes it. The values are kept outside of
 * modules, because each project loads the modules of its set-up anew.
 */
export function oncePerRun<Value>(name: string, make: () => Promise<Value>): Promise<Value> {
  const values = (kept.valuesOfTheRun ??= new Map());
  const value = (values.get(name) as Promise<Value> | undefined) ?? made(name, make);
  values.set(name, value);
  return value;
}

/** Says itself why it failed: Vitest fails to print the error of a set-up whose modules came from its cache. */
async function made<Value>(name: string, make: () => Promise<Value>): Promise<Value> {
  try {
    return await make();
  } catch (error) {
    process.stderr.write(`Set-up of ${name}: ${error instanceof Error ? error.message : String(error)}\n`);
    throw error;
  }
}
