/** The settings that a build reads from index.html: where the gateway is, and who holds the tokens. */
export interface Configuration {
  /** The gateway's URL; "" is the origin that the page came from. */
  readonly gateway: string;
  /** "cookie": the gateway holds the tokens. "token": the app holds them. */
  readonly mode: "cookie" | "token";
}

/**
 * Read the configuration from the `<meta>` elements of index.html.
 *
 * Throws an Error that names the element if a value is not allowed.
 */
export function readConfiguration(page: Document): Configuration {
  const gateway = contentOf(page, "sallyport-gateway");
  const mode = contentOf(page, "sallyport-mode");
  if (gateway !== "" && !/^https?:\/\/[^/?#\s]+$/.test(gateway)) {
    throw new Error(`index.html: sallyport-gateway must be empty or an origin such as https://api.example.com; got "${gateway}"`);
  }
  if (mode !== "cookie" && mode !== "token") {
    throw new Error(`index.html: sallyport-mode must be "cookie" or "token"; got "${mode}"`);
  }
  return { gateway, mode };
}

function contentOf(page: Document, name: string): string {
  return page.querySelector<HTMLMetaElement>(`meta[name="${name}"]`)?.content ?? "";
}
