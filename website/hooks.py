"""Hooks of MkDocs, which calls these functions while it builds the site."""

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page
from pymdownx.superfences import fence_code_format

from website.headings import anchor
from website.links import linked_files, repository_path, site_markdown, site_path
from website.navigation import expand, pages_of

HERE = Path(__file__).parent
ROOT = HERE.parent
ASSETS = {
    "assets/site.css": HERE / "site.css",
    "assets/mermaid.js": HERE / "node_modules" / "@mermaid-js" / "tiny" / "dist" / "mermaid.tiny.js",
}
"""Files of the site that are not in docs/, by their paths in the site."""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Complete the settings with those that YAML cannot express."""
    config.nav = expand(config.nav or [], Path(config.docs_dir))
    config.mdx_configs.setdefault("toc", {})["slugify"] = anchor
    config.mdx_configs["pymdownx.superfences"] = {
        "custom_fences": [{"name": "mermaid", "class": "mermaid", "format": fence_code_format}]
    }
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the assets, the pages from outside docs/, and all files that pages link to."""
    for uri, path in ASSETS.items():
        files.append(File.generated(config, uri, abs_src_path=str(path)))
    waiting = pages_of(config.nav or []) + [file.src_uri for file in files.documentation_pages()]
    seen: set[str] = set()
    while waiting:
        uri = waiting.pop()
        source = ROOT / repository_path(uri)
        if uri in seen or not source.is_file():
            continue
        seen.add(uri)
        if files.get_file_from_path(uri) is None:
            files.append(File.generated(config, uri, abs_src_path=str(source), inclusion=InclusionLevel.NOT_IN_NAV))
        if source.suffix == ".md":
            linked = linked_files(repository_path(uri), source.read_text(encoding="utf-8"))
            waiting += [site_path(path) for path in linked]
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Change the links of a page to those of the site."""
    return site_markdown(repository_path(page.file.src_uri), markdown)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Make the empty first cell of a table's head a data cell, because a header cell needs a text (WCAG 1.3.1)."""
    return html.replace("<th></th>", "<td></td>")


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Name the dialog of the search for screen readers (WCAG 4.1.2)."""
    return output.replace('role="dialog"', 'role="dialog" aria-label="Search"')
