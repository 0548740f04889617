"""What an operation answers."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of one run of an operation, ready for JSON.

    `errors` is empty when there are none. `executed` is false for a request error (variables that did not coerce):
    no resolver ran, and the answer has no `data` entry.
    """

    data: dict[str, object] | None
    errors: list[dict[str, object]]
    executed: bool
