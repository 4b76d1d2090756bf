"""The settings of the hosted pages."""

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator

from auth_service.mail.links import Links
from auth_service.mail.outbox import MailKind
from auth_service.mail.settings import DEFAULT_URL, MailSettings
from auth_service.page_templates.next_path import safe_next
from auth_service.page_templates.templates import PageTemplates
from auth_service.page_templates.texts import PageProblem

_LINK_PAGES = {
    "activation_url": (MailKind.ACTIVATION, "/auth/activate/confirm/"),
    "password_reset_confirm_url": (MailKind.PASSWORD_RESET, "/auth/password/reset/confirm/"),
    "email_reset_confirm_url": (MailKind.EMAIL_RESET, "/auth/email/reset/confirm/"),
    "invitation_url": (MailKind.INVITATION, "/auth/invitation/confirm/"),
}
"""The page that a link in a mail opens, by the setting that names another link."""


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
    def links(self) -> Links:
        """Return the links in mails. With the pages they lead there, unless a setting names another link."""
        links = super().links
        if not self.pages or (self.app_url and not self.public_url):  # then the URL of the gateway is unknown
            return links
        gateway = self.public_url or DEFAULT_URL
        page_links = {
            kind: f"{gateway}{path}?uid={{uid}}&token={{token}}"
            for setting, (kind, path) in _LINK_PAGES.items()
            if setting not in self.model_fields_set
        }
        return Links(links.base, {**links.patterns, **page_links})

    @property
    def page_templates(self) -> PageTemplates:
        """Return the templates of the pages."""
        return PageTemplates(self.pages_templates, self.site_name or urlsplit(self.links.base).hostname or "")
