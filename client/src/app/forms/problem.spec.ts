import { ApiError, NetworkError, SignedOutError } from "@sallyport/client";

import { en } from "../language/en";
import { problemOf } from "./problem";

const WORDING = { fields: ["email", "password"], texts: en.errors, translate: (text: string) => text };
const describeError = (error: unknown) => problemOf(error, WORDING);

describe("problemOf", () => {
  it("shows each text of the server at the field that the server names", () => {
    const error = new ApiError(400, "", "", { password: ["Too short.", "Too common."], email: ["Taken."] });
    expect(describeError(error).fields).toEqual({ password: "Too short. Too common.", email: "Taken." });
  });

  it("shows a text for a field that the form does not have above the form", () => {
    expect(describeError(new ApiError(400, "", "", { non_field_errors: ["No."] }))).toEqual({ fields: {}, message: "No." });
  });

  it("does not call every 400 an existing account", () => {
    expect(describeError(new ApiError(400, "bad_body", "The body is not JSON.")).message).toBe("The body is not JSON.");
  });

  it("translates the texts of the server", () => {
    const translated = problemOf(new ApiError(401, "", "No account"), { ...WORDING, translate: () => "Pas de compte" });
    expect(translated.message).toBe("Pas de compte");
  });

  it("says how long to wait after too many attempts", () => {
    expect(describeError(new ApiError(429, "rate_limited", "", {}, 30)).message).toContain("30 seconds");
    expect(describeError(new ApiError(429, "rate_limited", "", {}, 600)).message).toContain("10 minutes");
  });

  it.each([
    [new NetworkError("lost"), en.errors.network],
    [new ApiError(503, "", "auth_unavailable"), en.errors.busy],
    [new ApiError(500, "", "Traceback"), en.errors.technical],
    [new ApiError(403, "insufficient_scope", ""), en.errors.forbidden],
    [new SignedOutError(401, "token_not_valid", ""), en.errors.ended],
  ])("describes %s without details that help nobody", (error, text) => {
    expect(describeError(error)).toEqual({ fields: {}, message: text });
  });

  it("throws a bug again", () => {
    expect(() => describeError(new RangeError("a bug"))).toThrow("a bug");
  });
});
