/** Changes to the built index.html. Each throws an Error if the page does not have what it changes. */

/** Return `page` with `policy` as its Content-Security-Policy. */
export function withPolicy(page, policy) {
  const element = `<meta http-equiv="Content-Security-Policy" content="${policy}">`;
  // In front of everything that it is about.
  return replaced(page, /<meta charset="utf-8" ?\/?>/, (charset) => `${charset}\n    ${element}`);
}

/** Return `page` with the base URL `href`. */
export function withBase(page, href) {
  return replaced(page, /<base href="[^"]*" ?\/?>/, () => `<base href="${href}">`);
}

/** Return `page` with `content` in its `<meta>` element `name`. */
export function withMeta(page, name, content) {
  return replaced(page, new RegExp(`<meta name="${name}" content="[^"]*" ?/?>`), () => `<meta name="${name}" content="${content}">`);
}

/** Return `page` without its `<meta>` element `name`. */
export function withoutMeta(page, name) {
  return replaced(page, new RegExp(`\\s*<meta name="${name}" content="[^"]*" ?/?>`), () => "");
}

function replaced(page, pattern, replacement) {
  if (!pattern.test(page)) throw new Error(`index.html has no ${pattern}`);
  return page.replace(pattern, replacement);
}
