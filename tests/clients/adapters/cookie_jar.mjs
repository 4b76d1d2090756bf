// A browser's cookies for one site, and fetch with them. All tabs have the same cookies. Redirects are not followed.
export class CookieJar {
  get #cookies() {
    return new Map(JSON.parse(localStorage.getItem("cookies") ?? "[]"));
  }

  set #cookies(cookies) {
    localStorage.setItem("cookies", JSON.stringify([...cookies]));
  }

  async fetch(url, init = {}) {
    const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const headers = { ...init.headers, ...(cookie ? { cookie } : {}) };
    const response = await fetch(url, { ...init, headers, redirect: "manual" });
    const text = await response.text();
    this.#store(response.headers.getSetCookie());
    return { status: response.status, text };
  }

  // A browser that leaves before it has received the response gets none of its cookies.
  async abandon(url) {
    const before = this.#cookies;
    await this.fetch(url);
    this.#cookies = before;
  }

  has(name) {
    return this.#cookies.has(name);
  }

  #store(lines) {
    const cookies = this.#cookies;
    for (const line of lines) {
      const [pair, ...attributes] = line.split(";").map((part) => part.trim());
      const [name, value] = [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)];
      const gone = attributes.some((attribute) => /^max-age=(0|-\d+)$|^expires=Thu, 01 Jan 1970/i.test(attribute));
      if (gone || !value) cookies.delete(name);
      else cookies.set(name, value);
    }
    this.#cookies = cookies;
  }
}

// The address of the site that all tabs show: the first tab starts its server.
export async function siteOfAllTabs(start) {
  const site = localStorage.getItem("site") ?? (await start());
  localStorage.setItem("site", site);
  return site;
}
