"""Run an operation with the engine's plan, and with Strawberry and graphql-core."""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar
from unittest.mock import patch

from graphql import GraphQLError
from support.documents import Case
from support.engine_runs import counted_runs
from support.engine_schema import Calls, Outcomes, create_schema

from gateway.engine import Engine, Limits, Operation

T = TypeVar("T")
LIMITS = Limits(errors=1000, aliases=1000, root_fields=1000, fields=10000)
SCHEMA = create_schema()
logging.getLogger("strawberry.execution").setLevel(logging.CRITICAL + 1)  # it would log each error of a client


@dataclass(frozen=True)
class Comparison:
    """How the engine arrived at the common result."""

    compiled: bool
    handed_over: bool
    by_core: bool
    errors: list[dict[str, object]]


class Unmasked:
    """Replace the engine's formatter with one that leaves messages unchanged."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def field_errors(self, errors: list[GraphQLError], *_: object, **__: object) -> list[dict[str, object]]:
        return [formatted(error) for error in errors]

    def request_errors(self, errors: list[GraphQLError], *_: object) -> list[dict[str, object]]:
        return [formatted(error) for error in errors]


def formatted(error: GraphQLError) -> dict[str, object]:
    return {**error.formatted}


def known(case: Case, outcomes: Callable[[], Outcomes]) -> Operation:
    """Return an operation that has run once, so that the next run compiles a plan. Raises DocumentError."""
    with patch("gateway.engine.engine.Formatter", Unmasked):
        engine = Engine(SCHEMA, limits=LIMITS)
    operation = engine.prepare(case.text, None)
    asyncio.run(settled(operation.execute(case.variables, Calls(outcomes()))))
    return operation


def compare(case: Case, outcomes: Callable[[], Outcomes], operation: Operation | None = None) -> Comparison:
    """Run a case both ways, and require equal data, errors and resolver calls. Raises DocumentError."""
    operation = operation or known(case, outcomes)
    calls, expected_calls = Calls(outcomes()), Calls(outcomes())
    with counted_runs() as runs:
        result = asyncio.run(settled(operation.execute(case.variables, calls)))
    expected = asyncio.run(settled(SCHEMA.execute(case.text, case.variables, expected_calls)))
    errors = [formatted(error) for error in expected.errors or []]
    assert shown(result.data) == shown(expected.data)
    if case.kind == "query":
        # Concurrent fields can fail in any order.
        assert sorted(map(shown, result.errors)) == sorted(map(shown, errors))
        assert sorted(calls.made) == sorted(expected_calls.made)
    else:
        assert list(map(shown, result.errors)) == list(map(shown, errors))
        assert calls.made == expected_calls.made
    return Comparison(runs.plans > 0, runs.plans > 0 and runs.by_core > 0, runs.by_core > 0, errors)


def shown(value: object) -> str:
    """Return a value as text, with its types and the order of its keys, but without memory addresses."""
    return re.sub(r"0x[0-9a-f]+", "0x", repr(value))


async def settled(run: Awaitable[T]) -> T:
    """Wait for tasks that graphql-core leaves running after an error has discarded their fields."""
    result = await run
    await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()}, return_exceptions=True)
    return result
