// Uses the page of docs/clients/react.md as a user does: a wrong password, a log-in, a log-out. Prints what is shown.
import { JSDOM } from "jsdom";

const [bundle, url, email] = process.argv.slice(2);
const { window } = new JSDOM("<div id=root></div>", { url: "http://localhost/" });
// FormData is jsdom's: React builds it from jsdom's form. localStorage stays in this process.
for (const name of ["window", "document", "navigator", "localStorage", "FormData", "HTMLElement", "Event"]) {
  globalThis[name] = name === "window" ? window : window[name];
}

const { createElement, StrictMode } = await import("react");
const { createRoot } = await import("react-dom/client");
const { createClient, memoryStorage } = await import("@sallyport/client");
const password = "behind-2-doors";
await createClient({ url, storage: memoryStorage() }).register({ email, password });

const { App } = await import(bundle);
const root = document.getElementById("root");
createRoot(root).render(createElement(StrictMode, null, createElement(App)));

/** Wait until `read` returns something. The caller has a deadline. */
async function shown(read) {
  for (;;) {
    const found = read();
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function logIn(secret) {
  const form = await shown(() => root.querySelector("form"));
  form.querySelector("[name=email]").value = email;
  form.querySelector("[name=password]").value = secret;
  form.dispatchEvent(new window.Event("submit", { bubbles: true, cancelable: true }));
}

await logIn("wrong");
console.log((await shown(() => root.querySelector("[role=alert]"))).textContent);
await logIn(password);
const main = await shown(() => root.querySelector("main p")?.textContent.includes("@") && root.querySelector("main"));
console.log(main.querySelector("p").textContent.replace(email, "the user"));
main.querySelector("button").click();
console.log((await shown(() => root.querySelector("form button"))).textContent);
process.exit(0);
