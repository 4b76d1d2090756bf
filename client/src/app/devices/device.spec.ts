import { deviceOf } from "./device";

describe("deviceOf", () => {
  it.each([
    ["Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox", "Linux", "computer"],
    ["Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Mobile/15E148 Safari/604.1", "Safari", "iPhone", "phone"],
    ["Mozilla/5.0 (Windows NT 10.0) Chrome/140.0 Safari/537.36 Edg/140.0", "Edge", "Windows", "computer"],
    ["curl/8.5.0", "", "", "other"],
  ])("recognizes %s", (userAgent, browser, system, kind) => {
    expect(deviceOf(userAgent)).toMatchObject({ browser, system, kind });
  });

  it("shortens a User-Agent that it does not know", () => {
    expect(deviceOf("a".repeat(200)).userAgent).toHaveLength(60);
  });
});
