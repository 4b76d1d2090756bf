"""Choose the language of a mail."""

from collections.abc import Collection

from werkzeug.datastructures import LanguageAccept
from werkzeug.http import parse_accept_header


def choose_language(account: str, accept_language: str, available: Collection[str], default: str) -> str:
    """Return the first of these that is available: the account's language, the best of the header, `default`.

    `fr-CH` is served by `fr`. A header that cannot be parsed counts as absent.
    """
    # Not LanguageAccept.best_match, which serves `fr-CH, en;q=0.5` with `en` if there is only `fr`.
    accepted = parse_accept_header(accept_language, LanguageAccept)
    wanted = [account, *(tag for tag, quality in accepted if quality > 0)]
    candidates = (name for tag in wanted for name in (tag.lower(), tag.partition("-")[0].lower()))
    return next((name for name in candidates if name in available), default)
