"""What the pages of one request have in common: the templates, the language and the user who is logged in."""

from flask import Flask, current_app, g, request

from auth_service.api.authentication import Caller, authenticate, current_caller
from auth_service.api.errors import ApiError
from auth_service.mail.languages import choose_language
from auth_service.page_templates.templates import PageTemplates
from auth_service.page_templates.texts import FALLBACK
from auth_service.services import services

_NAME = "sallyport-pages"


def register_templates(app: Flask, templates: PageTemplates) -> None:
    """Store the templates of an application."""
    app.extensions[_NAME] = templates


def page_templates() -> PageTemplates:
    """Return the templates of the current application."""
    found = current_app.extensions[_NAME]
    if not isinstance(found, PageTemplates):
        raise TypeError(f"expected the application's PageTemplates, not {type(found).__name__}")
    return found


def page_caller() -> Caller | None:
    """Return the user who is logged in, with the session; None without one."""
    if "page_caller" not in g:
        try:
            authenticate()
            g.page_caller = current_caller()
        except ApiError:
            g.page_caller = None
    caller: Caller | None = g.page_caller
    return caller


def forget_caller() -> None:
    """Make the rest of the request one without a user, because the database that has the users is unavailable."""
    g.page_caller = None


def page_language() -> str:
    """Return the language of the account, or the best of Accept-Language, or the default of mails."""
    caller, templates = page_caller(), page_templates()
    header = request.headers.get("Accept-Language", "")
    account, of_mails = caller.user.language if caller else "", services().settings.mail_language
    default = of_mails if of_mails in templates.languages else FALLBACK
    return choose_language(account, header, templates.languages, default)


def page_text(key: str, **values: object) -> str:
    """Return a text of the pages in the language of the request."""
    return page_templates().text(page_language(), key, **values)


def page_error(text: str) -> str:
    """Return an error text of the API in the language of the request."""
    return page_templates().error(page_language(), text)
