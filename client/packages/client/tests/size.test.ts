/** The size of the kit in an application: minified by esbuild, compressed by gzip. */

import { gzipSync } from "node:zlib";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";
import { expect, test } from "vitest";

const LIMIT_BYTES = 6_000;

async function bundle(path: string): Promise<{ text: string; imports: string[] }> {
  const result = await build({
    entryPoints: [fileURLToPath(new URL(`../src/${path}`, import.meta.url))],
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    write: false,
    metafile: true,
    external: ["@angular/*", "axios", "react", "rxjs"],
  });
  const imports = Object.values(result.metafile.outputs).flatMap((output) => output.imports.map((each) => each.path));
  return { text: result.outputFiles[0]!.text, imports };
}

test("the core is under 6 kB with gzip, and imports nothing", async () => {
  const { text, imports } = await bundle("index.ts");
  expect(imports).toEqual([]);
  expect(gzipSync(text, { level: 9 }).length).toBeLessThan(LIMIT_BYTES);
});

test("each adapter imports its own framework only", async () => {
  expect(new Set((await bundle("adapters/react.ts")).imports)).toEqual(new Set(["react"]));
  expect((await bundle("adapters/capacitor.ts")).imports).toEqual([]);
  expect(new Set((await bundle("adapters/axios.ts")).imports)).toEqual(new Set(["axios"]));
  const angular = ["@angular/common/http", "@angular/core", "@angular/router", "rxjs"];
  expect(new Set((await bundle("adapters/angular.ts")).imports)).toEqual(new Set(angular));
});
