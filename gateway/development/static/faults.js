// The switch for faults that apply to the requests of every client.

const PATH = "/development/faults";

export function watchFaults() {
  const form = document.getElementById("faults-form");
  const list = document.getElementById("fault-list");
  const error = document.getElementById("fault-error");
  let faults = [];
  form.hidden = false;

  async function send(method, body) {
    const headers = body ? { "Content-Type": "application/json" } : {};
    try {
      const response = await fetch(PATH, { method, headers, body: body && JSON.stringify(body), cache: "no-store" });
      const answer = await response.json();
      error.hidden = response.ok;
      error.textContent = response.ok ? "" : answer.detail;
      if (response.ok) faults = answer.faults.map((fault) => ({ ...fault, ends: Date.now() + fault.seconds * 1000 }));
    } catch {
      error.hidden = false;
      error.textContent = "The gateway does not answer.";
    }
    show();
  }

  function show() {
    faults = faults.filter((fault) => fault.ends > Date.now());
    const texts = faults.map(({ fault, path, ends, count }) => {
      const requests = count === null ? "" : `, ${count} more requests`;
      return `${fault} for ${path}: ${Math.ceil((ends - Date.now()) / 1000)} s${requests}`;
    });
    list.replaceChildren(...texts.map(listItem));
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const value = (id) => document.getElementById(id).value;
    send("POST", { fault: value("fault"), seconds: Number(value("seconds")), path: value("fault-path") });
  });
  document.getElementById("faults-off").addEventListener("click", () => send("DELETE"));
  setInterval(show, 1000);
  send("GET");
}

function listItem(text) {
  const item = document.createElement("li");
  item.textContent = text;
  return item;
}
