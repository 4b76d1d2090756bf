"""The texts of the pages in all languages: one TOML file per language, with a section per page.

The section `errors` has a translation for each error text of the API. A number in an error text is `{n}` there.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

BUILT_IN = Path(__file__).with_name("templates")
"""The folder of the templates and texts of this project."""

FALLBACK = "en"
"""The language whose texts are always complete."""
ERRORS = "errors"

_VALUE = re.compile(r"\{(\w+)\}")

Section = Mapping[str, str]


class PageProblem(Exception):
    """A template, a style or a file of texts is wrong. The text names the file and what to change."""


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts by language, then by section, then by name."""

    by_language: Mapping[str, Mapping[str, Section]]

    @property
    def languages(self) -> Sequence[str]:
        """Return the languages that have a file."""
        return sorted(self.by_language)

    def has_text(self, key: str) -> bool:
        """Return whether there is a text `section.name`."""
        section, _, name = key.partition(".")
        return name in self.by_language[FALLBACK].get(section, {})

    def text(self, language: str, key: str, **values: object) -> str:
        """Return the text `section.name` with its `{values}`; in English if the language lacks it.

        Raises KeyError.
        """
        section, _, name = key.partition(".")
        texts = self.by_language[language].get(section, {})
        text = texts[name] if name in texts else self.by_language[FALLBACK][section][name]
        return _VALUE.sub(lambda found: str(values[found[1]]), _without_breaks(text))

    def error(self, language: str, text: str) -> str:
        """Return an error text of the API in `language`; unchanged if there is no translation."""
        numbers = iter(re.findall(r"\d+", text))
        key = re.sub(r"\d+", "{n}", text)
        texts = self.by_language[language].get(ERRORS, {})
        if key not in texts:
            return text
        return re.sub(r"\{n\}", lambda _: next(numbers, ""), _without_breaks(texts[key]))


def load_texts(folder: Path | None) -> Texts:
    """Return the built-in texts, replaced by those of the files in `folder`. Raises PageProblem."""
    by_language = {file.stem: dict(_read(file)) for file in sorted(BUILT_IN.glob("*.toml"))}
    known = by_language[FALLBACK]
    for file in sorted(folder.glob("*.toml")) if folder else ():
        language = by_language.setdefault(file.stem.lower(), {})
        for name, section in _read(file).items():
            unknown = [] if name == ERRORS else sorted(set(section) - set(known.get(name, ())))
            if unknown:
                raise PageProblem(f"{file}: {name}.{unknown[0]} is no text of the pages")
            if name != ERRORS:
                _check_values(file, name, section, known.get(name, {}))
            language[name] = {**language.get(name, {}), **section}
    return Texts(by_language)


def _check_values(file: Path, name: str, section: Section, known: Section) -> None:
    """Raise PageProblem if a text has a value in braces that the built-in text of its name does not have."""
    for key, text in section.items():
        values = {"site", *_VALUE.findall(known[key])}
        unknown = next((value for value in _VALUE.findall(text) if value not in values), None)
        if unknown is not None:
            raise PageProblem(f"{file}: {name}.{key} has {{{unknown}}}; its values are {', '.join(sorted(values))}")


def _without_breaks(text: str) -> str:
    """Return a text whose hyphen in `e-mail` is non-breaking, so that no line ends with `e-`."""
    return re.sub(r"\b([Ee])-mail", "\\1\N{NON-BREAKING HYPHEN}mail", text)


def _read(file: Path) -> Mapping[str, Section]:
    try:
        with file.open("rb") as opened:
            document = tomllib.load(opened)
    except (OSError, ValueError) as error:  # TOMLDecodeError and UnicodeDecodeError are ValueErrors
        raise PageProblem(f"{file}: {error}") from error
    for name, section in document.items():
        if not isinstance(section, dict) or not all(isinstance(text, str) for text in section.values()):
            raise PageProblem(f"{file}: [{name}] must be a table of strings")
    return document
