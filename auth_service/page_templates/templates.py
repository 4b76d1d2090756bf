"""Render pages with Jinja, and the Content-Security-Policy that allows their style sheet by its hash.

A folder of one's own (PAGES_TEMPLATES) comes first: `<language>.toml` replaces single texts, `theme.css` sets
colours, `style.css` replaces the style, and a file such as `login.html` replaces one page.
`{% extends "default/layout.html" %}` starts from the built-in layout.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PrefixLoader, StrictUndefined, TemplateError
from markupsafe import Markup

from auth_service.page_templates.texts import BUILT_IN, PageProblem, load_texts

_LAYOUT = "layout.html"
_STAFF = "staff/"
"""The folder of the staff pages, which have more styles than the others."""


class PageTemplates:
    """The templates, texts and style of the pages. Raises PageProblem if a file in `folder` is wrong."""

    def __init__(self, folder: Path | None, site_name: str) -> None:
        self._folder = folder
        self._site_name = site_name
        self._texts = load_texts(folder)
        self._environment = _environment(folder)
        self._css = _read_style(folder)
        self._staff_css = f"{_read_css(BUILT_IN / 'staff.css')}\n{self._css}"
        self.content_security_policy = _policy(self._css)
        """The policy of every page except those of staff."""
        self._staff_policy = _policy(self._staff_css)

    @property
    def languages(self) -> Sequence[str]:
        """Return the languages that pages can have."""
        return self._texts.languages

    @property
    def language_names(self) -> Mapping[str, str]:
        """Return the name of each language in that language."""
        return {language: self.text(language, "common.language_name") for language in self.languages}

    def has_text(self, key: str) -> bool:
        """Return whether there is a text `section.name`."""
        return self._texts.has_text(key)

    def error(self, language: str, text: str) -> str:
        """Return an error text of the API in `language`."""
        return self._texts.error(language, text)

    def text(self, language: str, key: str, **values: object) -> str:
        """Return the text `section.name` in `language`."""
        return self._texts.text(language, key, site=self._site_name, **values)

    def policy_for(self, template: str) -> str:
        """Return the Content-Security-Policy of the page `template`."""
        return self._staff_policy if template.startswith(_STAFF) else self.content_security_policy

    def render(self, template: str, language: str, values: Mapping[str, object]) -> str:
        """Return the page `template` in `language` as HTML."""

        def text(key: str, **more: object) -> str:
            return self.text(language, key, **more)

        return self._environment.get_template(template).render(
            values,
            t=text,
            language=language,
            site_name=self._site_name,
            # Files of the operator, checked by _read_css.
            css=Markup(self._staff_css if template.startswith(_STAFF) else self._css),  # noqa: S704
        )

    def check(self) -> None:
        """Parse every template. Raises PageProblem at the first that is wrong."""
        for name in self._environment.list_templates(extensions=["html"]):
            try:
                self._environment.get_template(name)
            except (TemplateError, OSError, UnicodeDecodeError) as error:
                line = getattr(error, "lineno", None)
                where = f"{self._folder or BUILT_IN}/{name}" + (f", line {line}" if line else "")
                raise PageProblem(f"{where}: {error}") from error


def _policy(css: str) -> str:
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode("ascii")
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src 'self' data:; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    )


def _environment(folder: Path | None) -> Environment:
    built_in = FileSystemLoader(BUILT_IN)
    own = [FileSystemLoader(folder)] if folder else []
    return Environment(
        loader=ChoiceLoader([*own, built_in, PrefixLoader({"default": built_in})]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )


def _read_style(folder: Path | None) -> str:
    """Return the style sheet, followed by the operator's theme. Raises PageProblem."""
    own = folder / "style.css" if folder else None
    files = [own if own and own.is_file() else BUILT_IN / "style.css"]
    if folder and (folder / "theme.css").is_file():
        files.append(folder / "theme.css")
    return "\n".join(map(_read_css, files))


def _read_css(file: Path) -> str:
    try:
        css = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PageProblem(f"{file}: {error}") from error
    if "</" in css or "<!--" in css:
        raise PageProblem(f"{file}: must not contain '</' or '<!--', because it is part of each page")
    return css
