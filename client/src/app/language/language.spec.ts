import { TestBed } from "@angular/core/testing";

import { Language, preferredLanguage } from "./language";

describe("preferredLanguage", () => {
  it.each([
    [null, ["fr-CA", "en"], "fr"],
    [null, ["de", "fr"], "fr"],
    [null, ["de"], "en"],
    ["en", ["fr"], "en"],
    ["xx", ["fr"], "fr"],
  ] as const)("of the choice %s and the browser's %s is %s", (choice, languages, expected) => {
    expect(preferredLanguage(choice, languages)).toBe(expected);
  });
});

describe("Language", () => {
  it("shows the server's texts in French, numbers included, and unknown ones as they are", async () => {
    const language = TestBed.inject(Language);
    await language.choose("fr");
    expect(language.texts().logIn.title).toBe("Connexion");
    expect(language.serverText("This password is too short. It must contain at least 15 characters.")).toContain("15 caractères");
    expect(language.serverText("Something new.")).toBe("Something new.");
    expect(document.documentElement.lang).toBe("fr");
  });
});
