"""The texts of mails in all languages: one TOML file per language, with a section per kind of mail."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from auth_service.mail.outbox import MailKind

BUILT_IN = Path(__file__).with_name("templates")
"""The folder of the templates and texts of this project."""

FALLBACK = "en"
"""The language whose texts are always complete."""
TEST = "test"
"""The section of the mail that the operator sends to try the settings."""
COMMON = "common"
"""The section of the texts that every mail has."""
SECTIONS = (*(kind.value for kind in MailKind), TEST)

_LINES = frozenset({"subject", "title", "action"})
_PARAGRAPHS = frozenset({"body", "after"})

Section = Mapping[str, str | list[str]]


class TemplateProblem(Exception):
    """A template or a file of texts is wrong. The text names the file and what to change."""


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts by language, then by section, then by name. A text may contain variables of Jinja."""

    by_language: Mapping[str, Mapping[str, Section]]

    @property
    def languages(self) -> Sequence[str]:
        """Return the languages that have a file."""
        return sorted(self.by_language)

    def section(self, language: str, name: str) -> Section:
        """Return the texts of a section. A text that the language lacks is in English."""
        return {**self.by_language[FALLBACK][name], **self.by_language[language].get(name, {})}


def load_texts(folder: Path | None) -> Texts:
    """Return the built-in texts, replaced by those of the files in `folder`. Raises TemplateProblem."""
    by_language: dict[str, dict[str, Section]] = {}
    for source in (BUILT_IN, folder):
        for file in sorted(source.glob("*.toml")) if source else ():
            sections = by_language.setdefault(file.stem.lower(), {})
            for name, section in _read(file).items():
                sections[name] = {**sections.get(name, {}), **section}
    return Texts(by_language)


def _read(file: Path) -> Mapping[str, Section]:
    try:
        with file.open("rb") as opened:
            document = tomllib.load(opened)
    except (OSError, ValueError) as error:  # TOMLDecodeError and UnicodeDecodeError are ValueErrors
        raise TemplateProblem(f"{file}: {error}") from error
    for name, section in document.items():
        if name not in SECTIONS and name != COMMON:
            raise TemplateProblem(f"{file}: [{name}] is no mail; there are: {', '.join((COMMON, *SECTIONS))}")
        if not isinstance(section, dict):
            raise TemplateProblem(f"{file}: {name} must be a table: [{name}]")
        for key, text in section.items():
            _check(f"{file}: {name}.{key}", name, key, text)
    return document


def _check(place: str, section: str, key: str, text: object) -> None:
    is_common = section == COMMON
    if not is_common and key not in _LINES | _PARAGRAPHS:
        raise TemplateProblem(f"{place} is no text; there are: {', '.join(sorted(_LINES | _PARAGRAPHS))}")
    if is_common or key in _LINES:
        if not isinstance(text, str):
            raise TemplateProblem(f"{place} must be a string")
    elif not isinstance(text, list) or not all(isinstance(line, str) for line in text):
        raise TemplateProblem(f"{place} must be a list of strings, one per paragraph")
