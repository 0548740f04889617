"""The limits on the size of responses, and the error for one that is too large."""

import httpx


class ResponseTooLarge(httpx.RemoteProtocolError):
    """The response exceeds the limit; the rest of it was not read.

    `response` is the response without its body, or None if its head was incomplete.
    """

    def __init__(self, message: str, response: httpx.Response | None) -> None:
        super().__init__(message)
        self.response = response


class Received:
    """Counts the bytes of a transport's incomplete responses."""

    MAX_TOTAL = 500_000_000
    """Maximum bytes of all of them together: thousands of usual ones, but not thousands of the largest."""

    def __init__(self, *, max_response_bytes: int) -> None:
        self.max_response_bytes = max_response_bytes
        self.total = 0
