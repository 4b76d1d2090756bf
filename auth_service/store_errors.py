"""The error that every store raises while its database does not answer."""


class StoreUnavailable(Exception):
    """The database did not answer or refused a statement. A retry may succeed.

    Nothing was changed, unless the connection broke during the commit.
    """
