// The health of each part, every five seconds while the page is visible.

const INTERVAL = 5000;

export function watchHealth() {
  const parts = document.getElementById("parts");
  const note = document.getElementById("health-note");

  async function update() {
    if (document.hidden) return;
    try {
      const response = await fetch("/development/health", { cache: "no-store" });
      const health = await response.json();
      parts.replaceChildren(...health.parts.map(shown));
      note.textContent = `As of ${new Date().toLocaleTimeString()}.`;
    } catch {
      parts.replaceChildren(shown({ name: "gateway", state: "down", detail: "No answer." }));
    }
  }

  setInterval(update, INTERVAL);
  document.addEventListener("visibilitychange", update);
}

function shown({ name, state, detail }) {
  const item = document.createElement("li");
  const badge = item.appendChild(document.createElement("span"));
  badge.className = `state ${state}`;
  badge.textContent = state;
  const label = item.appendChild(document.createElement("span"));
  const strong = label.appendChild(document.createElement("strong"));
  strong.textContent = name;
  if (detail) {
    label.append(document.createElement("br"));
    const muted = label.appendChild(document.createElement("span"));
    muted.className = "muted";
    muted.textContent = detail;
  }
  return item;
}
