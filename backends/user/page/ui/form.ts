/** What somebody wrote into the named fields of the form that is sent. */
export function textsOf({ currentTarget }: Event): Record<string, string> {
  const data = new FormData(currentTarget as HTMLFormElement);
  return Object.fromEntries([...data].map(([name, value]) => [name, typeof value === 'string' ? value : '']));
}
