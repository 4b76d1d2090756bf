"""Errors of forwarding that have no response of their own."""


class ExchangeAborted(Exception):
    """The client disconnected, or a response that has begun cannot be completed: its connection is closed."""
