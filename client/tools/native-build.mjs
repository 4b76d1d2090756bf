/** Make the web assets of the native apps from the web build: `npm run native -- https://api.example.com`. */

import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { contentSecurityPolicy } from "./content-security-policy.mjs";
import { withBase, withMeta, withoutMeta, withPolicy } from "./index-page.mjs";

const WEB = "dist/app";
const NATIVE = "dist/native";

const gateway = process.argv[2] ?? "";
if (!/^https?:\/\/[^/?#\s"]+$/.test(gateway)) {
  process.stderr.write("usage: npm run native -- https://api.example.com   (the origin of the gateway)\n");
  process.exit(2);
}

rmSync(NATIVE, { recursive: true, force: true });
// The files are in the package of the app, so they are not sent compressed.
cpSync(WEB, NATIVE, { recursive: true, filter: (name) => !/\.(br|gz)$/.test(name) });
const index = join(NATIVE, "index.html");
let page = readFileSync(index, "utf8");
page = withBase(page, "/");
page = withMeta(page, "sallyport-gateway", gateway);
// Apps are another site than the gateway, so that its SameSite=Strict cookie is out of reach.
page = withMeta(page, "sallyport-mode", "token");
page = withoutMeta(page, "csp-nonce");
page = withPolicy(page, contentSecurityPolicy(NATIVE, gateway));
writeFileSync(index, page);
process.stdout.write(`The assets for Capacitor are in ${NATIVE}; they call ${gateway}. Next: npx cap sync\n`);
