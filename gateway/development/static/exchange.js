// One request and its response: sends it, measures it, and shows both.

const SHOWN_TOKEN = 12; // characters at each end of a token that is shown

/** Send a request, and return it with its response. `response` is null if the connection was closed without one. */
export async function exchange(method, path, headers = {}, body = undefined) {
  const request = { method, path, headers: { ...headers }, body };
  const options = { method, headers: request.headers, credentials: "same-origin", cache: "no-store" };
  if (body !== undefined) {
    request.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  const started = performance.now();
  try {
    const response = await fetch(path, options);
    const text = await response.text();
    const ms = Math.round(performance.now() - started);
    return { request, ms, response: { status: response.status, headers: response.headers, body: parsed(text) } };
  } catch {
    return { request, ms: Math.round(performance.now() - started), response: null };
  }
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Return the status of an exchange, as text. */
export function statusOf({ response }) {
  return response ? String(response.status) : "no response";
}

/** Return an element of the log for an exchange. */
export function shown({ request, response, ms }) {
  const item = document.createElement("li");
  const details = item.appendChild(document.createElement("details"));
  const summary = details.appendChild(document.createElement("summary"));
  summary.append(
    span("method", request.method),
    span("target", request.path),
    span(`status ${kind(response)}`, statusOf({ response })),
    span("time", `${ms} ms`),
  );
  details.append(heading("Request"), pre(requestText(request)), heading("Response"));
  details.append(pre(response ? responseText(response) : "The connection was closed without a response."));
  details.append(heading("As a command"), pre(curl(request)));
  return item;
}

function kind(response) {
  if (!response) return "failed";
  if (response.status < 400) return "ok";
  return response.status < 500 ? "refused" : "failed";
}

function requestText({ method, path, headers, body }) {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  return shortened([`${method} ${path}`, ...lines, ...bodyLines(body)].join("\n"));
}

function responseText({ status, headers, body }) {
  const lines = [...headers].map(([name, value]) => `${name}: ${value}`);
  return shortened([String(status), ...lines, ...bodyLines(body)].join("\n"));
}

function bodyLines(body) {
  if (body === undefined || body === "") return [];
  return ["", typeof body === "string" ? body : JSON.stringify(body, null, 2)];
}

function curl({ method, path, headers, body }) {
  const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;
  const parts = [`curl -i -X ${method} ${location.origin}${path}`];
  if ("X-Requested-With" in headers) parts.push("-b cookies.txt -c cookies.txt"); // the session cookie
  for (const [name, value] of Object.entries(headers)) parts.push(`-H ${quoted(`${name}: ${value}`)}`);
  if (body !== undefined) parts.push(`-d ${quoted(JSON.stringify(body))}`);
  return parts.join(" \\\n  ");
}

/** Return `text` with the middle of each token left out. */
function shortened(text) {
  const token = new RegExp(`(eyJ[\\w-]{${SHOWN_TOKEN}})[\\w.-]+([\\w-]{${SHOWN_TOKEN}})`, "g");
  return text.replace(token, "$1…$2");
}

function span(className, text) {
  const element = document.createElement("span");
  element.className = className;
  element.textContent = text;
  return element;
}

function heading(text) {
  const element = document.createElement("h4");
  element.textContent = text;
  return element;
}

function pre(text) {
  const element = document.createElement("pre");
  element.textContent = text;
  return element;
}
