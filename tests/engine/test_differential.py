"""Compiled operations return what Strawberry returns with graphql-core, and call the same resolvers.

`ENGINE_CASES=20000 pytest tests/engine/test_differential.py` runs that many new cases; without it, the same few
thousand run each time.
"""

import asyncio
import logging
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from random import Random

import pytest
from graphql import GraphQLError, IntValueNode, NullValueNode
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis_graphql import mutations, queries
from support.documents import ABSENT, STRINGS, Case, Generator
from support.engine_comparison import SCHEMA, compare, known
from support.engine_schema import BetterItem, Color, Item, Outcomes, Page, Text

from gateway.engine import DocumentError
from gateway.engine.strawberry_internals import core_schema
from gateway.errors import ErrorCode, GatewayError

CORE = core_schema(SCHEMA)
CASES = int(os.environ.get("ENGINE_CASES", "2000"))
DERANDOMIZE = "ENGINE_CASES" not in os.environ
SCALARS = {
    "Int64": st.integers(-(2**63), 2**63 - 1).map(lambda number: IntValueNode(value=str(number))),
    "JSON": st.just(NullValueNode()),
}
WRONG_LEAVES: list[object] = [
    True,
    1,
    2**31,
    1.0,
    float("nan"),
    "x",
    b"x",
    Color.RED,
    [],
    {},
    ValueError("wrong"),
    None,
]


def seeded(seed: object) -> Random:
    """Return a generator that makes the same choices for the same seed."""
    return Random(str(seed))  # noqa: S311  # nothing secret


class RandomOutcomes(Outcomes):
    """Mostly valid results; the same for the same seed and call."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self.trouble = seeded(seed).choice([0.0, 0.0, 0.05, 0.3])

    async def wait(self, call: str) -> None:
        waits = seeded(f"{self._seed} wait {call}").choice([0, 0, 1, 3])
        for _ in range(waits):
            await asyncio.sleep(0)

    def answer(self, call: str, name: str) -> object:
        random = seeded(f"{self._seed} {call}")
        if random.random() < self.trouble:
            return self._failure(random)
        return self._right(random, name)

    def _right(self, random: Random, name: str) -> object:
        match name:
            case "page":
                # No iterators: the plan would exhaust one, and graphql-core would find it empty.
                nodes = self._list(random, lambda: self._item(random, 0), nulls=True, iterator=False)
                return Page(nodes, self._leaf(random, [0, 7]))
            case "items":
                return self._list(random, lambda: self._item(random, 0))
            case "count":
                return self._leaf(random, [0, -5, None])
            case "now":
                return self._leaf(random, [*STRINGS, None])
            case "colors":
                return self._list(random, lambda: self._leaf(random, [*Color]), nulls=True)
        return self._item(random, 0)

    def _failure(self, random: Random) -> object:
        match random.randrange(7):
            case 0:
                raise ValueError("a failure")
            case 1:
                raise GraphQLError("a refusal", extensions={"code": "FORBIDDEN"})
            case 2:
                raise GatewayError(ErrorCode.CONFLICT, "a conflict", status=409)
            case 3:
                return RuntimeError("returned")
            case 4:
                return None
            case 5:
                return {"id": "a dict"}
        return random.choice(WRONG_LEAVES)

    def _leaf(self, random: Random, values: list[object]) -> object:
        return random.choice(WRONG_LEAVES if random.random() < self.trouble / 4 else values)

    def _list(
        self, random: Random, item: Callable[[], object], *, nulls: bool = False, iterator: bool = True
    ) -> object:
        made = [None if nulls and random.random() < 0.2 else item() for _ in range(random.choice([0, 1, 3]))]
        if random.random() < self.trouble / 4:
            return random.choice(
                [tuple(made), iter(made) if iterator else {1}, "text", None, 5, [*made, None], {"a": 1}]
            )
        return tuple(made) if random.random() < 0.2 else made

    def _item(self, random: Random, depth: int) -> object:
        if random.random() < self.trouble / 4:
            return self._failure(random)
        class_ = BetterItem if random.random() < 0.1 else Item
        related = [] if depth > 1 else self._list(random, lambda: self._item(random, depth + 1))
        return class_(
            id=self._leaf(random, [*STRINGS]),
            created=self._leaf(random, [None, 0, 2**63 - 1]),
            title=self._leaf(random, [None, *STRINGS]),
            score=self._leaf(random, [None, 0.5, -1e300]),
            hot=self._leaf(random, [None, True, False]),
            color=self._leaf(random, [None, *Color]),
            text=self._leaf(random, [None, Text("x", 1), Text()]),
            tags=self._list(random, lambda: self._leaf(random, ["a", "b"])),
            matrix=self._list(random, lambda: self._list(random, lambda: self._leaf(random, [None, 1]))),
            related=related,
            extra=self._leaf(random, [None, 1, {"a": [1]}, [None]]),
        )


class Tally(Counter[str]):
    """How the cases ran: the test is meaningful only if plans ran many of them."""

    def bug(self, _: logging.LogRecord) -> bool:
        self["bugs"] += 1
        return False


@pytest.fixture(scope="module")
def tally() -> Iterator[Tally]:
    counts = Tally()
    log = logging.getLogger("gateway.engine")
    log.addFilter(counts.bug)
    yield counts
    log.removeFilter(counts.bug)
    print(dict(counts))


def check(case: Case, seed: int, tally: Tally) -> None:
    """Run a case both ways."""
    compared = compare(case, lambda: RandomOutcomes(seed))
    tally["cases"] += 1
    tally["errors"] += bool(compared.errors)
    if compared.compiled:
        tally["compiled"] += 1
        tally["compiled, with errors"] += bool(compared.errors)
        tally["handed over"] += compared.handed_over
        assert compared.handed_over >= bool(compared.errors)
        if not RandomOutcomes(seed).trouble:
            assert compared.handed_over == bool(compared.errors), "graphql-core ran what a plan could have run"


@settings(
    max_examples=CASES,
    derandomize=DERANDOMIZE,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(seed=st.integers(0, 2**64))
def test_generated_operations_return_what_graphql_core_returns(tally: Tally, seed: int) -> None:
    case = Generator(CORE, seeded(seed), wrong=0.5).case()
    try:
        check(case, seed, tally)
    except DocumentError as error:
        # The generator does not know every rule, but most of its documents must be valid.
        tally["refused"] += 1
        assume(str(error.errors[0]["message"]).startswith(("Expected value of", "Variable")))


@settings(
    max_examples=max(CASES // 10, 10),
    derandomize=DERANDOMIZE,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(data=st.data(), seed=st.integers(0, 2**64))
def test_operations_from_hypothesis_graphql_return_what_graphql_core_returns(
    tally: Tally, data: st.DataObject, seed: int
) -> None:
    strategy = data.draw(st.sampled_from([(queries, "query"), (mutations, "mutation")]))
    text = data.draw(strategy[0](CORE, custom_scalars=SCALARS))
    try:
        check(Case(str(text), {}, strategy[1]), seed, tally)
    except DocumentError:
        tally["refused"] += 1
        assume(False)


@settings(
    max_examples=max(CASES // 20, 10),
    derandomize=DERANDOMIZE,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(seed=st.integers(0, 2**64))
def test_each_combination_of_conditions_answers_as_with_graphql_core(tally: Tally, seed: int) -> None:
    random = seeded(seed)
    case = Generator(CORE, random, wrong=0.2, conditional=True).case()
    assume(case.conditions)
    try:
        operation = known(case, lambda: RandomOutcomes(seed))
    except DocumentError:
        tally["refused"] += 1
        assume(False)
    values: list[object] = [True, False, True, False, ABSENT, *([None, 1, "true"] if random.random() < 0.2 else [])]
    for _ in range(10):
        chosen = {name: random.choice(values) for name in case.conditions}
        variables = {name: value for name, value in (case.variables | chosen).items() if value is not ABSENT}
        compared = compare(replace(case, variables=variables), lambda: RandomOutcomes(seed), operation)
        tally["conditional"] += 1
        tally["conditional, by plan"] += not compared.by_core
        assert compared.by_core or not compared.errors


def test_most_generated_operations_are_compiled(tally: Tally) -> None:
    assert not tally["bugs"]
    assert tally["compiled"] > tally["cases"] * 0.4
    assert tally["compiled, with errors"] > tally["cases"] * 0.05
    assert tally["refused"] < tally["cases"] * 0.2
    assert tally["conditional, by plan"] > tally["conditional"] * 0.3
