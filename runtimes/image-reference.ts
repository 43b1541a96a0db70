/**
 * The grammar of image references, without the forms that identify images of one engine.
 * Source: https://github.com/distribution/reference/blob/main/regexp.go
 */
const domainLabel = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])';
const domain = `(?:${domainLabel}(?:\\.${domainLabel})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?`;
const pathPart = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*';
const path = `${pathPart}(?:/${pathPart})*`;
const tag = '[\\w][\\w.-]{0,127}';
const digest = '[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}';
const reference = new RegExp(`^((?:${domain}/)?${path})(?::${tag})?(?:@${digest})?$`);

/** The engine refuses longer names of repositories. Tag and digest do not count. */
const longestName = 255;

export function isImageReference(text: string): boolean {
  const name = reference.exec(text)?.[1];
  return name !== undefined && name.length <= longestName;
}
