"""Runs an operation with the engine's plan, and with Strawberry and graphql-core."""

import asyncio
import re
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from graphql import GraphQLError
from support.documents import Case
from support.engine_schema import Calls, Outcomes, create_schema

from gateway.engine import Engine, Limits
from gateway.engine.operation import Runner

T = TypeVar("T")
LIMITS = Limits(errors=1000, aliases=1000, root_fields=1000, fields=10000)
SCHEMA = create_schema()


@dataclass(frozen=True)
class Comparison:
    """How the engine arrived at the result that both gave."""

    compiled: bool
    handed_over: bool
    errors: list[dict[str, object]]


class Unmasked:
    """Replaces the engine's formatter: shows messages unchanged."""

    def field_errors(self, errors: list[GraphQLError], *_: object, **__: object) -> list[dict[str, object]]:
        return [formatted(error) for error in errors]

    def request_errors(self, errors: list[GraphQLError], *_: object) -> list[dict[str, object]]:
        return [formatted(error) for error in errors]


class CountingRunner(Runner):
    """Counts the calls of graphql-core."""

    runs: Counter[str]

    async def run(self, *arguments: object) -> object:  # type: ignore[override]  # any arguments
        self.runs["runs"] += 1
        return await super().run(*arguments)  # type: ignore[arg-type]


def formatted(error: GraphQLError) -> dict[str, object]:
    return {**error.formatted}


def compare(case: Case, outcomes: Callable[[], Outcomes]) -> Comparison:
    """Run a case both ways, and require equal data, errors and resolver calls. Raises DocumentError."""
    engine = Engine(SCHEMA, limits=LIMITS)
    runner = engine._runner
    counting = object.__new__(CountingRunner)
    for name in Runner.__slots__:
        object.__setattr__(counting, name, Unmasked() if name == "formatter" else getattr(runner, name))
    object.__setattr__(counting, "runs", Counter())
    engine._runner = counting
    operation = engine.prepare(case.text, None)
    operation._runs = 1
    calls, expected_calls = Calls(outcomes()), Calls(outcomes())
    result = asyncio.run(settled(operation.execute(case.variables, calls)))
    expected = asyncio.run(settled(SCHEMA.execute(case.text, case.variables, expected_calls)))
    errors = [formatted(error) for error in expected.errors or []]
    assert shown(result.data) == shown(expected.data)
    if case.kind == "query":
        # Concurrent fields fail in any order.
        assert sorted(map(shown, result.errors)) == sorted(map(shown, errors))
        assert sorted(calls.made) == sorted(expected_calls.made)
    else:
        assert list(map(shown, result.errors)) == list(map(shown, errors))
        assert calls.made == expected_calls.made
    compiled = operation._plan is not None
    return Comparison(compiled, compiled and counting.runs["runs"] > 0, errors)


def shown(value: object) -> str:
    """Return a text of a value with its types and the order of its keys, without memory addresses."""
    return re.sub(r"0x[0-9a-f]+", "0x", repr(value))


async def settled(run: Awaitable[T]) -> T:
    """Wait for the tasks that graphql-core leaves running when an error discards a field's siblings, too."""
    result = await run
    await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()}, return_exceptions=True)
    return result
