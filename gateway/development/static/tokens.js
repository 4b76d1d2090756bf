// What the client holds: the claims of its tokens, and the time until they expire.

const TIMES = new Set(["exp", "iat", "nbf"]);

/** Return the claims of a JWT, which are not verified here. */
export function claimsOf(token) {
  const payload = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
  const bytes = Uint8Array.from(atob(payload), (letter) => letter.charCodeAt(0));
  return JSON.parse(new TextDecoder().decode(bytes));
}

/** Return the time left until `seconds` since the epoch, as text. */
export function countdown(seconds) {
  const left = Math.round(seconds - Date.now() / 1000);
  if (left <= 0) return "expired";
  const [days, hours, minutes] = [Math.floor(left / 86400), Math.floor(left / 3600) % 24, Math.floor(left / 60) % 60];
  if (days) return `expires in ${days} d ${hours} h`;
  if (hours) return `expires in ${hours} h ${minutes} min`;
  return minutes ? `expires in ${minutes} min ${left % 60} s` : `expires in ${left} s`;
}

/** Show what `client` holds in `place`. Returns a function that updates the countdowns. */
export function showTokens(place, client) {
  const countdowns = [];
  const add = (caption, rows, expires) => {
    const table = document.createElement("table");
    const title = table.createCaption();
    const left = document.createElement("span");
    left.className = "muted";
    title.append(`${caption}: `, left);
    countdowns.push(() => (left.textContent = countdown(expires)));
    const body = table.createTBody();
    for (const [name, value] of rows) {
      const row = body.insertRow();
      const head = row.appendChild(document.createElement("th"));
      head.scope = "row";
      head.textContent = name;
      row.insertCell().textContent = value;
    }
    place.append(table);
  };

  place.replaceChildren();
  for (const [caption, token] of [["Access token", client.access], ["Refresh token", client.refresh]]) {
    if (!token) continue;
    const claims = claimsOf(token);
    add(caption, Object.entries(claims).map(([name, value]) => [name, text(name, value)]), claims.exp);
  }
  if (client.sessionEnds) {
    add("Session cookie", [["HttpOnly", "no script can read it; the browser sends it"]], client.sessionEnds);
  }
  if (!countdowns.length) {
    const none = place.appendChild(document.createElement("p"));
    none.className = "muted";
    none.textContent = "Nothing yet.";
  }
  const update = () => countdowns.forEach((show) => show());
  update();
  return update;
}

function text(name, value) {
  if (TIMES.has(name)) return `${value} (${new Date(value * 1000).toLocaleString()})`;
  return typeof value === "string" ? value : JSON.stringify(value);
}
