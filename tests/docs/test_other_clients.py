"""The code on the pages of other clients is the code that `make test-clients` runs."""

import re

import pytest

from tests.docs.code_blocks import ROOT

PAGES = sorted((ROOT / "docs" / "clients").glob("*-libraries.md"))
SNIPPETS = ROOT / "tests" / "clients" / "snippets"
NUXT = ROOT / "tests" / "clients" / "nuxt_auth" / "nuxt.config.ts"


def test_every_snippet_is_on_a_page_as_it_runs() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    shown = dict(re.findall(r"`([\w-]+\.mjs)`:\n\n```js\n(.*?)```", text, re.DOTALL))
    assert shown == {path.name: path.read_text(encoding="utf-8") for path in SNIPPETS.glob("*.mjs")}
    assert re.findall(r"```ts\n(export default defineNuxtConfig.*?)```", text, re.DOTALL) == [NUXT.read_text("utf-8")]


@pytest.mark.parametrize("folder", ["tests/clients", "tests/clients/nuxt_auth"])
def test_the_versions_on_the_overview_are_those_of_the_lock_files(folder: str) -> None:
    overview = (ROOT / "docs" / "clients" / "other-clients.md").read_text(encoding="utf-8")
    shown = dict(
        re.findall(
            r"^\| (\S+)(?: \(Auth\.js\))? \| (\d[\d.]+) \|", overview.replace("RTK Query", "@reduxjs/toolkit"), re.M
        )
    )
    package = (ROOT / folder / "package.json").read_text(encoding="utf-8")
    listed = dict(re.findall(r'"(\S+)": "(\d[\d.]+)"', package))
    common = shown.keys() & listed.keys()
    assert common
    assert {name: shown[name] for name in common} == {name: listed[name] for name in common}
