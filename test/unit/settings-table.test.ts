import { readFile } from 'node:fs/promises';
import { format, resolveConfig } from 'prettier';
import { expect, test } from 'vitest';
import type { z } from 'zod';
import { serviceNames } from '../../contracts/access.ts';
import { documentationOf, settingGroups } from '../../configuration/settings.ts';
import { table } from '../../tools/contracts/documents/markdown.ts';
import { fillSections } from '../../tools/contracts/documents/sections.ts';

const readme = new URL('../../README.md', import.meta.url).pathname;

test("the README's tables of settings are those of the schema; npm run settings:document writes them", async () => {
  const text = fillSections(readme, await readFile(readme, 'utf8'), { settings: settingTables() });
  const formatted = await format(text, { ...(await resolveConfig(readme)), filepath: readme });
  await expect(formatted).toMatchFileSnapshot(readme);
});

function settingTables(): string {
  return Object.entries(settingGroups)
    .flatMap(([group, settings]) => [
      `**${group}**`,
      table(['setting', 'meaning', 'default', 'read by'], Object.entries(settings).map(toRow)),
    ])
    .join('\n\n');
}

function toRow([name, schema]: [string, z.ZodType]): string[] {
  const { description, readers, unit, otherwise, isSecret } = documentationOf(schema);
  const parsed = schema.safeParse(undefined);
  const value = [(parsed.data ?? []) as string | number | string[]].flat().join(',');
  const fallback = otherwise ?? (!parsed.success ? 'required' : value === '' ? 'none' : `\`${value}\``);
  const others = readers.filter((reader) => !(serviceNames as string[]).includes(reader));
  const services = readers.length - others.length === serviceNames.length ? ['every service'] : readers.filter((reader) => !others.includes(reader)); // prettier-ignore
  return [
    isSecret ? `\`${name}\` or \`…_FILE\`` : `\`${name}\``,
    description,
    unit === undefined || otherwise !== undefined ? fallback : `${fallback} ${unit}`,
    [...services, ...others].map((reader) => (reader.startsWith('np') ? `\`${reader}\`` : reader)).join(', '),
  ];
}
