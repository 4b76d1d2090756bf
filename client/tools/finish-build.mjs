/** Finish the web build in dist/app: compress its files, which the gateway sends as they are. */

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";

const FOLDER = "dist/app";

// index.html is not among them: the gateway writes a nonce into it.
for (const name of readdirSync(FOLDER).filter((file) => /\.(js|css|svg)$/.test(file))) {
  const path = join(FOLDER, name);
  const content = readFileSync(path);
  writeFileSync(`${path}.br`, brotliCompressSync(content));
  writeFileSync(`${path}.gz`, gzipSync(content, { level: 9 }));
}
process.stdout.write(`The app is in ${resolve(FOLDER)}. The gateway serves it at /app/.\n`);
