/** The text between these two lines of a Markdown file is generated. The rest is written by hand. */
const begin = (name: string): string => `<!-- generated: ${name} -->`;
const end = '<!-- end of generated -->';

/**
 * Puts each section between the marks with its name.
 *
 * @throws Error that names the file and the mark, when a section has no place or a place has no section
 */
export function fillSections(file: string, text: string, sections: Readonly<Record<string, string>>): string {
  const names = [...text.matchAll(/<!-- generated: (.*?) -->/g)].map(([, name = '']) => name);
  const unknown = names.find((name) => !(name in sections));
  if (unknown !== undefined) throw new Error(`${file} asks for a section that nothing makes: ${begin(unknown)}`);
  return Object.entries(sections).reduce((filled, [name, content]) => {
    const from = filled.indexOf(begin(name));
    const to = filled.indexOf(end, from);
    if (from < 0 || to < 0) throw new Error(`${file} has no place for a section: ${begin(name)} … ${end}`);
    return `${filled.slice(0, from)}${begin(name)}\n\n${content.trim()}\n\n${filled.slice(to)}`;
  }, text);
}
