"""The code on the pages for Ionic, Angular and native apps is the code that the tests of the app compile and run."""

import re

from tests.docs.code_blocks import ROOT

APP = ROOT / "client" / "src"
SNIPPETS = APP / "testing" / "snippets"


def test_every_snippet_is_on_the_page_as_it_runs() -> None:
    text = (ROOT / "docs" / "clients" / "ionic-angular.md").read_text(encoding="utf-8")
    shown = dict(re.findall(r"`([\w-]+\.ts)`:\n\n```ts\n(.*?)```", text, re.DOTALL))
    files = [path for path in SNIPPETS.glob("*.ts") if not path.name.endswith(".spec.ts")]
    assert shown == {path.name: path.read_text(encoding="utf-8") for path in files}


def test_the_native_storage_on_the_page_is_that_of_the_app() -> None:
    text = (ROOT / "docs" / "clients" / "native.md").read_text(encoding="utf-8")
    [shown] = re.findall(r"```ts\n(.*?)```", text, re.DOTALL)
    source = (APP / "app" / "native" / "secure-storage.ts").read_text(encoding="utf-8")
    assert shown == re.sub(r"/\*\*.*?\*/\n", "", source, flags=re.DOTALL)


def test_every_name_for_tests_is_a_text_of_the_app() -> None:
    readme = (ROOT / "client" / "README.md").read_text(encoding="utf-8")
    table = readme.split("## Names for tests")[1]
    texts = (APP / "app" / "language" / "en.ts").read_text(encoding="utf-8")
    names = set(re.findall(r'"([A-Z][^"]+)"', table)) - {"Log out Firefox on Linux"}
    assert len(names) > 25
    assert {name for name in names if f'"{name}"' not in texts} == set()
