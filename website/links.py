"""Links between files of the repository, as they are in the site.

The pages are written for GitHub: a link is the path of a file of the repository, relative to the page. Files of docs/
have the same path in the site. All others, such as the README and the samples in deploy/, are below project/.
"""

import posixpath
import re
from collections.abc import Callable

OUTSIDE = "project/"
"""Where the site has files from outside docs/."""
DOCS = "docs/"
FENCED = re.compile(r"(^(?P<fence>```+|~~~+).*?^(?P=fence)[ \t]*$)", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"(?<=\]\()(?P<path>(?![a-z]+:)[^)#\s]+)(?=[)#])")


def repository_path(site_path: str) -> str:
    """Return the path in the repository of a file of the site."""
    return site_path.removeprefix(OUTSIDE) if site_path.startswith(OUTSIDE) else DOCS + site_path


def site_path(repository_path: str) -> str:
    """Return the path in the site of a file of the repository."""
    if repository_path.startswith(DOCS):
        return repository_path.removeprefix(DOCS)
    return OUTSIDE + repository_path


def linked_files(page: str, markdown: str) -> set[str]:
    """Return the paths in the repository of the files that a page links to."""
    found: set[str] = set()

    def note(link: str) -> str:
        found.add(_target(page, link))
        return link

    _each_link(markdown, note)
    return found


def site_markdown(page: str, markdown: str) -> str:
    """Return a page's text with its links as they are in the site. `page` is its path in the repository."""
    folder = posixpath.dirname(site_path(page))
    return _each_link(markdown, lambda link: posixpath.relpath(site_path(_target(page, link)), folder or "."))


def _target(page: str, link: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(page), link))


def _each_link(markdown: str, change: Callable[[str], str]) -> str:
    """Return the text with each relative link changed, except in fenced code."""
    parts: list[str] = []
    end = 0
    for code in FENCED.finditer(markdown):
        parts += [LINK.sub(lambda link: change(link["path"]), markdown[end : code.start()]), code[0]]
        end = code.end()
    return "".join([*parts, LINK.sub(lambda link: change(link["path"]), markdown[end:])])
