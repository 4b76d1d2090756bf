"""Render mails: the texts of a language in a layout, as plain text and as HTML, with Jinja.

A folder of one's own (MAIL_TEMPLATES) comes first: its `<language>.toml` replaces single texts, its `layout.txt` and
`layout.html` the layouts, and `<kind>.txt`, `<kind>.html` or the same in a folder `<language>/` one mail.
`{% extends "default/layout.html" %}` starts from the built-in layout.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from jinja2 import (
    ChoiceLoader,
    Environment,
    FileSystemLoader,
    PrefixLoader,
    StrictUndefined,
    Template,
    TemplateError,
    TemplateNotFound,
    TemplateSyntaxError,
)
from markupsafe import Markup

from auth_service.mail.message import Content
from auth_service.mail.outbox import MailKind
from auth_service.mail.texts import BUILT_IN, COMMON, SECTIONS, TEST, TemplateProblem, load_texts

Values = Mapping[str, str]

SAMPLE: Values = {
    "site_name": "Example",
    "site_url": "https://example.org",
    "email": "ann@example.org",
    "new_email": "ann@example.com",
    "link": "https://example.org/path",
    "minutes": "60",
    "time": "2026-01-02 03:04 UTC",
}
"""Every variable that a template may use. Some mails have fewer; notices have an empty `link`."""


def format_time(at: float) -> str:
    """Return a time in seconds since the epoch as people of every language read it, in UTC."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"


class Templates:
    """The templates and texts of mails. Raises TemplateProblem if a text file in `folder` is wrong."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._texts = load_texts(folder)
        self._plain = _environment(folder, autoescape=False)
        self._html = _environment(folder, autoescape=True)
        self._compiled: dict[tuple[Environment, str], Template] = {}

    @property
    def languages(self) -> Sequence[str]:
        """Return the languages that mails can have."""
        return self._texts.languages

    def render(self, section: str, language: str, values: Values) -> Content:
        """Return the texts of a mail. `section` is a MailKind or TEST. Raises TemplateProblem."""
        try:
            subject = self._compile(self._plain, str(self._texts.section(language, section)["subject"]))
            return Content(
                language,
                subject.render(values),
                _tidy(self._body(self._plain, "txt", section, language, values)),
                self._body(self._html, "html", section, language, values),
            )
        except (TemplateError, OSError, UnicodeDecodeError) as error:
            raise TemplateProblem(self._explain(section, language, error)) from error

    def check(self) -> None:
        """Render every mail in every language. Raises TemplateProblem at the first that fails."""
        for language in self.languages:
            for section in SECTIONS:
                self.render(section, language, _sample_of(section))

    def _body(self, environment: Environment, ending: str, section: str, language: str, values: Values) -> str:
        # Markup: the layout must not escape a text again that was rendered with autoescape.
        mark = Markup if environment.autoescape else str

        def render(text: str | list[str]) -> object:
            if isinstance(text, list):
                return [render(line) for line in text]
            return mark(self._compile(environment, text).render(values))

        def texts_of(name: str) -> dict[str, object]:
            return {key: render(text) for key, text in self._texts.section(language, name).items()}

        template = environment.select_template(
            [f"{language}/{section}.{ending}", f"{section}.{ending}", f"layout.{ending}"]
        )
        texts = {"action": "", "body": [], "after": [], **values, **texts_of(section)}
        return template.render(texts, common=texts_of(COMMON), kind=section, language=language)

    def _compile(self, environment: Environment, text: str) -> Template:
        key = (environment, text)
        if key not in self._compiled:
            self._compiled[key] = environment.from_string(text)
        return self._compiled[key]

    def _explain(self, section: str, language: str, error: Exception) -> str:
        place, reason = str(self._folder or BUILT_IN), str(error)
        if isinstance(error, TemplateSyntaxError):
            place = f"{error.filename or place}, line {error.lineno}"
        elif isinstance(error, TemplateNotFound):
            reason = f"there is no template {error.name!r}"
        return f"{place}: the mail {section} in {language} cannot be rendered: {reason}"


def _environment(folder: Path | None, *, autoescape: bool) -> Environment:
    built_in = FileSystemLoader(BUILT_IN)
    own = [FileSystemLoader(folder)] if folder else []
    return Environment(
        loader=ChoiceLoader([*own, built_in, PrefixLoader({"default": built_in})]),
        autoescape=autoescape,  # noqa: S701 - off for plain text only
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )


def _sample_of(section: str) -> Values:
    """Return the values that a mail of this kind has."""
    values = dict(SAMPLE)
    if section != MailKind.EMAIL_CHANGED:
        del values["new_email"]
    if section == TEST:
        del values["time"]
    return values


def _tidy(text: str) -> str:
    """Return a plain text without the empty lines that a template leaves at its ends and in rows."""
    return re.sub(r"\n{3,}", "\n\n", text).strip("\n") + "\n"
