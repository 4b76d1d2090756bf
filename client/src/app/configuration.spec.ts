import { readConfiguration } from "./configuration";

function page(gateway: string, mode: string): Document {
  const html = `<meta name="sallyport-gateway" content="${gateway}"><meta name="sallyport-mode" content="${mode}">`;
  return new DOMParser().parseFromString(html, "text/html");
}

describe("readConfiguration", () => {
  it("reads the gateway and the mode", () => {
    expect(readConfiguration(page("https://api.example.com", "token"))).toEqual({ gateway: "https://api.example.com", mode: "token" });
    expect(readConfiguration(page("", "cookie")).gateway).toBe("");
  });

  it.each([
    ["api.example.com", "token", "sallyport-gateway"],
    ["https://api.example.com/path", "token", "sallyport-gateway"],
    ["", "tokens", "sallyport-mode"],
  ])("names what is wrong with %s and %s", (gateway, mode, name) => {
    expect(() => readConfiguration(page(gateway, mode))).toThrow(name);
  });
});
