"""The settings of the hosted pages."""

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator

from auth_service.mail.settings import MailSettings
from auth_service.page_templates.next_path import safe_next
from auth_service.page_templates.templates import PageTemplates
from auth_service.page_templates.texts import PageProblem


def _usable_templates(folder: Path | None) -> Path | None:
    if folder is None:
        return None
    if not folder.is_dir():
        raise ValueError("must be an existing folder")
    try:
        PageTemplates(folder, "").check()
    except PageProblem as problem:
        raise ValueError(f"has a file that cannot be used: {problem}") from problem
    return folder


def _own_path(path: str) -> str:
    if safe_next(path) is None:
        raise ValueError('must be a path of the gateway, such as "/"')
    return path


class PageSettings(MailSettings):
    """The settings of the hosted pages, which show the name of the site that mails have."""

    pages: bool = True
    """Whether the hosted pages are served."""
    pages_templates: Annotated[Path | None, AfterValidator(_usable_templates)] = None
    """A folder whose templates, texts and colours replace those of the service."""
    login_redirect_url: Annotated[str, AfterValidator(_own_path)] = "/auth/account/"
    """The path to which the pages lead after a log-in without `next`."""

    @property
    def page_templates(self) -> PageTemplates:
        """Return the templates of the pages."""
        return PageTemplates(self.pages_templates, self.site_name or urlsplit(self.links.base).hostname or "")
