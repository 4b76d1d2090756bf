// The console: runs the steps of a client mode, and shows what is sent, what is answered and what the client holds.

import { exchange, shown, statusOf } from "./exchange.js";
import { watchFaults } from "./faults.js";
import { FLOWS, MODES } from "./flow.js";
import { watchHealth } from "./health.js";
import { showTokens } from "./tokens.js";

const element = (id) => document.getElementById(id);

/** The client that the console plays. */
const client = {
  mode: "bearer",
  clear() {
    Object.assign(this, { access: "", refresh: "", previous: "", spent: "", spentAt: 0, doneAt: 0, sessionEnds: 0 });
  },
  hold(access, refresh) {
    Object.assign(this, { access, refresh });
  },
  open(expiresAt) {
    this.sessionEnds = expiresAt && toSeconds(expiresAt);
  },
  headers() {
    return MODES[this.mode].headers(this);
  },
  credentials: () => ({ email: element("email").value, password: element("password").value }),
  apiPath: () => element("api-path").value,
};

let updateCountdowns = () => {};
let run = 0; // counts the runs, so that a new one ends the one before

function toSeconds(time) {
  return typeof time === "number" ? time : Date.parse(time) / 1000;
}

function showStatus(text, isExpected = true) {
  const status = element("status");
  status.textContent = text;
  status.classList.toggle("unexpected", !isExpected);
}

/** Do a step. Return whether its response was the expected one. */
async function perform(step, outcome, current) {
  outcome.textContent = "";
  await waitFor(step, current);
  if (current !== run) return false;
  const done = await exchange(...step.request(client));
  const { response } = done;
  const isExpected = response !== null && response.status === step.expects;
  client.doneAt = Date.now();
  takeTokens(response);
  if (isExpected && step.then) step.then(response, client);
  element("log").prepend(shown(done));
  updateCountdowns = showTokens(element("tokens"), client);
  outcome.className = `outcome ${isExpected ? "expected" : "unexpected"}`;
  outcome.textContent = isExpected ? `${statusOf(done)}, as expected` : `${statusOf(done)} instead of ${step.expects}`;
  showStatus(`${step.name}: ${outcome.textContent}. ${isExpected ? "" : hintFor(step, response)}`, isExpected);
  return isExpected;
}

/** Hold the new tokens of a response, which the gateway has refreshed. */
function takeTokens(response) {
  const access = response?.headers.get("x-access-token");
  if (access) client.hold(access, response.headers.get("x-refresh-token"));
}

function hintFor(step, response) {
  if (!response) return "Is a fault switched on?";
  return step.hint?.[response.status] ?? response.body?.detail ?? "";
}

async function waitFor(step, current) {
  const until = step.waitUntil?.(client) ?? 0;
  while (Date.now() < until && current === run) {
    showStatus(`${step.name}: in ${Math.ceil((until - Date.now()) / 1000)} s.`);
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

function showSteps() {
  element("mode-hint").textContent = MODES[client.mode].hint;
  const items = FLOWS[client.mode].map((step) => {
    const item = document.createElement("li");
    const button = item.appendChild(document.createElement("button"));
    button.type = "button";
    button.className = "secondary";
    button.textContent = step.name;
    const text = item.appendChild(document.createElement("p"));
    const outcome = document.createElement("span");
    outcome.className = "outcome";
    text.append(`${step.text} `, outcome);
    button.addEventListener("click", () => perform(step, outcome, ++run));
    return item;
  });
  element("steps").replaceChildren(...items);
}

/** Do all steps in their order, up to the first one with an unexpected response. */
async function walk() {
  if (element("log").children.length) restart(); // the address may have an account
  const current = ++run;
  const outcomes = [...element("steps").querySelectorAll(".outcome")];
  for (const [place, step] of FLOWS[client.mode].entries()) {
    if (!(await perform(step, outcomes[place], current))) return;
  }
  showStatus("All steps were answered as expected.");
}

/** Forget the tokens, and choose an address that has no account yet. */
function restart() {
  run += 1;
  client.clear();
  const random = crypto.getRandomValues(new Uint32Array(2));
  element("email").value = `ann-${[...random].map((number) => number.toString(36)).join("")}@example.com`;
  element("password").value ||= "behind-2-doors";
  element("log").replaceChildren();
  updateCountdowns = showTokens(element("tokens"), client);
  showSteps();
  showStatus("Press a step, or walk through all of them.");
}

for (const radio of document.querySelectorAll("input[name=mode]")) {
  if (radio.checked) client.mode = radio.value; // a browser restores it when the page is reloaded
  radio.addEventListener("change", () => {
    client.mode = radio.value;
    restart();
  });
}
element("walk").addEventListener("click", walk);
element("restart").addEventListener("click", restart);
element("console-body").hidden = false;
setInterval(() => updateCountdowns(), 1000);
restart();
watchFaults();
watchHealth();
