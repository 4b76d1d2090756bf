/**
 * The Content-Security-Policy of the native apps: it allows the app's files, and the style elements of Ionic by their
 * hashes. On the web the gateway sends a policy with a nonce; in a native app nobody makes one for each start.
 */

import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { runInNewContext } from "node:vm";

const COMPONENTS = "node_modules/@ionic/core/components";
// Stencil's flags of a component, the first member of its description.
const SHADOW = 1;
const HAS_SLOT = 4;
// Stencil appends this to the style element of a component with slots and without a shadow root.
const SLOT_FALLBACK = "slot-fb{display:contents}slot-fb[hidden]{display:none}";

/**
 * Return the policy of the build in `folder`, whose pages call `gateway` ("" is their own origin).
 *
 * A component with a shadow root has a constructed style sheet, which needs no permission (CSSOM). The others insert a
 * style element: `style-src` allows exactly those of the components that the build contains.
 */
export function contentSecurityPolicy(folder, gateway) {
  const scripts = readdirSync(folder).filter((name) => name.endsWith(".js"));
  const build = scripts.map((name) => readFileSync(join(folder, name), "utf8")).join("\n");
  const hashes = ionicStyles(build).map((css) => `'sha256-${createHash("sha256").update(css).digest("base64")}'`);
  return [
    "default-src 'none'",
    "script-src 'self'",
    `style-src 'self' ${[...new Set(hashes)].sort().join(" ")}`,
    "img-src 'self' data:",
    `connect-src 'self' ${gateway}`.trim(),
    "base-uri 'self'",
    "form-action 'self'",
  ].join("; ");
}

/** Return the texts of the style elements that the components in `build` insert. */
function ionicStyles(build) {
  const styles = [];
  for (const name of readdirSync(COMPONENTS).filter((file) => file.endsWith(".js"))) {
    const source = readFileSync(join(COMPONENTS, name), "utf8");
    const start = source.indexOf("static get style(){return");
    const description = start >= 0 && /\},\[(\d+),"([a-z-]+)"/.exec(source.slice(start));
    if (!description) continue;
    const flags = Number(description[1]);
    if (flags & SHADOW || !build.includes(`"${description[2]}"`)) continue;
    for (const css of stylesAt(source, start)) {
      // When Stencil appends to an element, Chromium also checks the empty text in between.
      if (flags & HAS_SLOT) styles.push(css + SLOT_FALLBACK, "");
      styles.push(css);
    }
  }
  if (styles.length === 0) throw new Error(`${COMPONENTS}: no styles were found; does Stencil write them in another form now?`);
  return styles;
}

/** Return the strings of the `style` getter at `start`: one, or one for each mode. */
function stylesAt(source, start) {
  const getter = source.slice(start, source.indexOf("}},", start) + 1 || undefined);
  const literals = getter.match(/"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`/g) ?? [];
  // JavaScript's own reading of the literals, among which are escapes that JSON does not have.
  return literals.map((literal) => runInNewContext(literal));
}
