"""The error of an exchange that ends without a response or in the middle of one."""


class ExchangeAborted(Exception):
    """The client disconnected, or a response that has begun cannot be completed: its connection is closed.

    `code` is the problem code with which the gateway ended a stream; empty otherwise.
    """

    def __init__(self, code: str = "") -> None:
        super().__init__(code)
        self.code = code
