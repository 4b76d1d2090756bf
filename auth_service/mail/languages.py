"""Choose the language of a mail."""

from collections.abc import Collection

from werkzeug.datastructures import LanguageAccept
from werkzeug.http import parse_accept_header


def choose_language(account: str, accept_language: str, available: Collection[str], default: str) -> str:
    """Return the first of these that is available: the account's language, the best of the header, `default`.

    `fr-CH` is served by `fr`. A header that cannot be parsed counts as absent.
    """
    of_account = account.partition("-")[0].lower()
    if account.lower() in available:
        return account.lower()
    if of_account in available:
        return of_account
    accepted = parse_accept_header(accept_language, LanguageAccept)
    return accepted.best_match(sorted(available)) or default
