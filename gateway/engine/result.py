"""The result of an operation."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one run of an operation, ready to encode as JSON.

    `errors` is empty if there are none. `executed` is False for a request error (variables that do not coerce): no
    resolver ran, and the response has no `data` entry.
    """

    data: dict[str, object] | None
    errors: list[dict[str, object]]
    executed: bool
