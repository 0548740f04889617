"""The error for a response that is too large."""

import httpx


class ResponseTooLarge(httpx.RemoteProtocolError):
    """The response exceeds the limit; the rest of it was not read.

    `response` is the response without its body, or None if its head was incomplete.
    """

    def __init__(self, message: str, response: httpx.Response | None) -> None:
        super().__init__(message)
        self.response = response
