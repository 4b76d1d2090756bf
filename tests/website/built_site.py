"""Read the pages of the built site: what they link to, and what a browser loads for them."""

import re
from dataclasses import dataclass
from functools import cache
from html import unescape
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tests.docs.code_blocks import ROOT

SITE = ROOT / "build" / "site"
LOADING = {"audio", "embed", "iframe", "img", "script", "source", "video"}
"""Elements whose `src` a browser requests by itself."""
LOADED_RELATIONS = {"stylesheet", "icon", "preload", "modulepreload", "preconnect", "dns-prefetch", "manifest"}
"""Relations of a `link` element for which a browser sends a request."""
# The theme writes well-formed HTML. A parser of the standard library takes ten times as long for these pages.
TAG = re.compile(r"<([a-z][a-z0-9]*)\b((?:[^<>\"']|\"[^\"]*\"|'[^']*')*)>")
ATTRIBUTE = re.compile(r"([a-z-]+)(?:=(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+)))?")


@dataclass(frozen=True, slots=True)
class Page:
    """A page: `links` are those that a reader follows, `loads` the URLs that a browser requests by itself."""

    file: Path
    links: tuple[str, ...]
    loads: tuple[str, ...]
    ids: frozenset[str]


@cache
def page(file: Path) -> Page:
    """Return the page in `file`."""
    links, loads, ids = [], [], set()
    for tag in TAG.finditer(file.read_text(encoding="utf-8")):
        values = {name: unescape("".join(value)) for name, *value in ATTRIBUTE.findall(tag[2])}
        if "id" in values:
            ids.add(values["id"])
        if tag[1] == "a" and "href" in values:
            links.append(values["href"])
        if tag[1] == "link" and LOADED_RELATIONS & set(values.get("rel", "").split()):
            loads.append(values["href"])
        if tag[1] in LOADING and "src" in values:
            loads.append(values["src"])
    return Page(file, tuple(links), tuple(loads), frozenset(ids))


def pages() -> list[Page]:
    """Return all pages."""
    return [page(file) for file in sorted(SITE.rglob("*.html"))]


def is_external(url: str) -> bool:
    """Return whether a URL leaves the site."""
    return bool(urlsplit(url).scheme or urlsplit(url).netloc)


def target_of(file: Path, url: str) -> tuple[Path, str]:
    """Return the file and the fragment to which a relative URL of the page in `file` leads."""
    parts = urlsplit(url)
    path = file if not parts.path else (file.parent / unquote(parts.path)).resolve()
    return (path / "index.html" if path.is_dir() else path), unquote(parts.fragment)
