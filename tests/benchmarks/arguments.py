"""Arguments of the commands that click has no type for."""

from collections.abc import Callable

import click

HIGHEST = 100_000


class Numbers(click.ParamType[tuple[float, ...]]):
    """Numbers from a minimum on, separated by commas."""

    name = "numbers"

    def __init__(self, kind: Callable[[str], float], *, least: float) -> None:
        self._kind = kind
        self._least = least

    def convert(
        self, value: object, parameter: click.Parameter | None, context: click.Context | None
    ) -> tuple[float, ...]:
        """Return the numbers in ascending order."""
        if isinstance(value, tuple):
            return value
        try:
            numbers = sorted({self._kind(part) for part in str(value).split(",")})
        except ValueError:
            numbers = []
        if not all(self._least <= number <= HIGHEST for number in numbers or [HIGHEST + 1]):
            self.fail(f"must be numbers from {self._least:g} to {HIGHEST}, separated by commas", parameter, context)
        return tuple(numbers)
