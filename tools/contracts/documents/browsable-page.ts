import { catalog, isEventType } from '../../../contracts/catalog.ts';
import { commandTypes, controlCommands, isCommandType } from '../../../contracts/control-commands.ts';
import { eventTypes } from '../../../contracts/names.ts';
import { consumersOf, topology } from '../../../contracts/topology.ts';
import { publishedSchemas, schemaFile, type PublishedSchema } from './json-schemas.ts';
import { branchesOf, fieldsOf, type Field } from './words.ts';

/** One page without scripts or outside resources: every schema in every kept version, found from a list at its side. */
export function browsablePage(): string {
  const schemas = publishedSchemas();
  const groups: [string, string[]][] = [
    ['Events', [...eventTypes]],
    ['Commands', commandTypes],
    ['Headers and triggers', [...new Set(schemas.map(({ name }) => name).filter((name) => !isMessage(name)))]],
  ];
  const links = groups.map(
    ([title, names]) => `<h2>${title}</h2><ul>${names.map((name) => `<li>${link(name)}</li>`).join('')}</ul>`,
  );
  const articles = groups.flatMap(([, names]) => names.map((name) => article(name, schemas)));
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Event bus contracts</title>
<style>${style}</style>
</head>
<body>
<nav aria-label="Contracts"><h1>Event bus contracts</h1>${links.join('')}<h2>Topology</h2><ul><li>${link('queues')}</li></ul></nav>
<main>${articles.join('')}${queueArticle()}</main>
</body>
</html>`;
}

function article(name: string, schemas: readonly PublishedSchema[]): string {
  const [newest, ...older] = schemas.filter((schema) => schema.name === name).toReversed();
  if (!newest) return '';
  const earlier = older.map(
    (schema) => `<details><summary>Version ${schema.version}, still read</summary>${version(schema)}</details>`,
  );
  return `<article id="${name}"><h2><code>${escape(name)}</code></h2>${about(name)}
<h3>Version ${newest.version}</h3>${version(newest)}${earlier.join('')}</article>`;
}

function about(name: string): string {
  if (isEventType(name)) {
    const { published, sideEffects } = catalog[name];
    const effects = Object.entries(sideEffects).map(
      ([who, effect]) => `<dt>${code(who)}</dt><dd>${inline(effect)}</dd>`,
    );
    return `<p>Published by <code>event_broker</code>, ${inline(published)}</p><dl>${effects.join('')}</dl>`;
  }
  if (isCommandType(name)) {
    const { published, sideEffects } = controlCommands[name];
    return `<p>Published by <code>agents_worker</code>, ${inline(published)}</p><p>The agent: ${inline(sideEffects)}</p>`;
  }
  return '';
}

function version(contract: PublishedSchema): string {
  const { schema, example } = contract;
  const branches = branchesOf(schema).map(({ when, schema: branch }) => {
    const { row_data: row } = branch.properties ?? {};
    return `<h4>Where ${inline(when)}</h4>${fieldTable(fieldsOf(branch))}${row ? `<h4>Its <code>row_data</code></h4>${fieldTable(fieldsOf(row as typeof schema))}` : ''}`;
  });
  return [
    branches.length > 0 ? branches.join('') : fieldTable(fieldsOf(schema)),
    example === undefined ? '' : `<pre tabindex="0">${escape(JSON.stringify(example, undefined, 2))}</pre>`,
    `<p><a href="schemas/${schemaFile(contract)}">JSON Schema</a></p>`,
  ].join('');
}

function fieldTable(fields: readonly Field[]): string {
  const rows = fields.map(
    ({ name, type, mandatory, description }) =>
      `<tr><th scope="row">${code(name)}</th><td>${inline(type)}</td><td>${mandatory ? 'mandatory' : 'optional'}</td><td>${inline(description)}</td></tr>`,
  );
  return tableOf(['Field', 'Type', 'Presence', 'Content'], rows);
}

function queueArticle(): string {
  const rows = topology.queues.map(
    ({ name, exchange, routingKeys, consumers, arguments: given }) =>
      `<tr><th scope="row">${code(name)}</th><td>${code(exchange)}: ${routingKeys.map(code).join(', ')}</td><td>${consumers.map(code).join(', ')}</td><td>${Object.entries(
        given,
      )
        .map(([key, value]) => code(`${key}: ${value}`))
        .join('<br>')}</td></tr>`,
  );
  const consumed = eventTypes.map((type) => `<dt>${link(type)}</dt><dd>${consumersOf(type).map(code).join(', ')}</dd>`);
  return `<article id="queues"><h2>queues</h2>${tableOf(['Queue', 'Bound by', 'Consumers', 'Arguments'], rows)}
<h3>Who consumes what</h3><dl>${consumed.join('')}</dl></article>`;
}

function tableOf(head: readonly string[], rows: readonly string[]): string {
  const cells = head.map((text) => `<th scope="col">${text}</th>`).join('');
  return `<div class="scrolling" tabindex="0"><table><thead><tr>${cells}</tr></thead><tbody>${rows.join('')}</tbody></table></div>`;
}

function link(name: string): string {
  return `<a href="#${name}">${escape(name)}</a>`;
}

function isMessage(name: string): boolean {
  return isEventType(name) || isCommandType(name);
}

function code(text: string): string {
  return `<code>${escape(text)}</code>`;
}

/** The marks of Markdown that descriptions use: code and links. */
function inline(text: string): string {
  return escape(text)
    .replaceAll(/`(.*?)`/g, '<code>$1</code>')
    .replaceAll(/\[(.*?)\]\((https:.*?)\)/g, '<a href="$2">$1</a>');
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

const style = `
:root { color-scheme: light dark; --line: light-dark(#d5d9e0, #3a3f4b); --dim: light-dark(#f3f5f8, #1d2028); }
body { margin: 0; font: 16px/1.5 system-ui, sans-serif; display: grid; grid-template-columns: 17rem minmax(0, 1fr); }
nav { position: sticky; top: 0; height: 100vh; overflow: auto; padding: 1rem; box-sizing: border-box; background: var(--dim); }
nav h1 { font-size: 1.1rem; } nav h2 { font-size: .85rem; margin: 1rem 0 .2rem; } nav ul { list-style: none; margin: 0; padding: 0; }
main { padding: 1rem 2rem; max-width: 62rem; } article { padding-bottom: 2rem; border-bottom: 1px solid var(--line); }
article h2 { font-size: 1.4rem; } table { border-collapse: collapse; } th, td { text-align: left; vertical-align: top; padding: .3rem .7rem;
border: 1px solid var(--line); } th { font-weight: 600; } thead { background: var(--dim); } .scrolling { overflow-x: auto; }
pre { background: var(--dim); padding: .8rem; overflow: auto; } code { font-size: .92em; } dt { float: left; clear: left; margin-right: .6rem; }
dd { margin: 0 0 .2rem; } @media (max-width: 50rem) { body { grid-template-columns: minmax(0, 1fr); } nav { position: static; height: auto; } main { padding: 1rem; } }
`;
