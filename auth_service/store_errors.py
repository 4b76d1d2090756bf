"""The error that every store raises while its database does not answer."""


class StoreUnavailable(Exception):
    """The database did not answer or refused a statement. Nothing was changed; a retry may succeed."""
