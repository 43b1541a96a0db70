/** The name under which a runtime keeps an instance: of its folder or its container, and in the agent's environment. */
export function instanceNameOf(instanceId: string): string {
  if (!/^[\w-]+$/.test(instanceId)) throw new TypeError(`An instance id is a uuid, not ${JSON.stringify(instanceId)}.`);
  return `instance-${instanceId}`;
}
