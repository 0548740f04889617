"""Requests leave nothing to the garbage collector, which runs rarely: it counts objects, however large they are."""

import asyncio
import gc
from collections.abc import Awaitable, Callable
from itertools import count

import pytest
from support.engine_schema import Calls, Outcomes, create_schema

from gateway.engine import DocumentError, Engine

SCHEMA = create_schema()
LONG = "1" * 1000
RUNS = {
    "a run without a plan": "query($x: ID!) { item(id: $x) { slow } }",
    "a resolver that fails": "query($x: ID!) { item(id: $x) { id } }",
    "a resolver that fails for a string in the document": f'{{ item(id: "{LONG}") {{ id }} }}',
    "a variable of another type": "query($x: Int!) { page(first: $x) { __typename } }",
}


class Failing(Outcomes):
    def answer(self, call: str, name: str) -> object:
        raise ValueError(call, name)


def garbage(action: Callable[[], Awaitable[object]]) -> int:
    """Repeat an action, and return the number of objects that only garbage collection frees."""

    async def main() -> int:
        for _ in range(3):  # what all share
            await action()
        gc.collect()
        gc.disable()
        try:
            await action()
            return gc.collect()
        finally:
            gc.enable()

    return asyncio.run(main())


@pytest.mark.parametrize("why", RUNS)
def test_a_run_by_graphql_core_leaves_no_garbage(why: str) -> None:
    operation = Engine(SCHEMA).prepare(RUNS[why], None)
    outcomes = Failing() if "fails" in why else Outcomes()
    assert not garbage(lambda: operation.execute({"x": LONG}, Calls(outcomes)))


@pytest.mark.parametrize("wrong", ["}", '"'], ids=["a wrong token", "a string without an end"])
def test_a_document_with_a_syntax_error_leaves_no_garbage(wrong: str) -> None:
    engine = Engine(SCHEMA)
    numbers = count()

    async def refuse() -> None:
        with pytest.raises(DocumentError):
            engine.prepare(f'{{ item(id: "{LONG}") {{ id }} }} #{next(numbers)}\n {wrong}', None)

    assert not garbage(refuse)
