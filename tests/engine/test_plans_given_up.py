"""Operations that graphql-core always runs: the log says why, and a plan that always hands over is dropped."""

import asyncio
import logging
from collections.abc import Iterable

import pytest
from support.engine_schema import Calls, Item, Outcomes, create_schema

from gateway.engine import Engine, Operation, Result
from gateway.engine.operation import MAX_IN_VAIN
from gateway.engine.plan import Plan

SCHEMA = create_schema()
ITEMS = "{ items { id } }"
ITEM = Item(id="1")
RIGHT = [ITEM]
ONLY_GRAPHQL_CORE_TAKES_IT = {1: ITEM}.values()


class Answer(Outcomes):
    """One replaceable result for all fields."""

    def __init__(self, answer: object) -> None:
        self.value = answer

    def answer(self, call: str, name: str) -> object:
        del call, name
        if isinstance(self.value, Exception):
            raise self.value
        return self.value


@pytest.fixture
def plans_run(monkeypatch: pytest.MonkeyPatch) -> list[Plan]:
    """Record the plans in the order in which they run."""
    started = []
    run = Plan.run

    async def counted(plan: Plan, *arguments: object) -> object:
        started.append(plan)
        return await run(plan, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Plan, "run", counted)
    return started


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG, "gateway.engine")
    return caplog


def operation(text: str = ITEMS) -> Operation:
    return Engine(SCHEMA).prepare(text, None)


def run(it: Operation, answers: Iterable[object], variables: dict[str, object] | None = None) -> list[Result]:
    """Run an operation once for each result of its resolvers."""

    async def all_runs() -> list[Result]:
        return [await it.execute(variables, Calls(Answer(answer))) for answer in answers]

    return asyncio.run(all_runs())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{ __schema { queryType { name } } }", "a field that is not a Strawberry field, or has extensions"),
        ("{ item(id: 1) { slow } }", "a resolver below the root that is async, or takes arguments or info"),
        ("{ item(id: 1) { padded } }", "a resolver below the root that is async, or takes arguments or info"),
        ("{ streamed { id } }", "a resolver that yields"),
        ("{ sure(id: 1) { id } now }", "several fields, one of them non-null"),
        ("query($c: Choice!) { choose(choice: $c) { id } }", "an input that is oneOf, or builds itself"),
        (
            'query($s: String! = "secret") { choose(choice: {name: $s}) { id } }',
            "an input that is oneOf, or builds itself",
        ),
    ],
)
def test_the_log_says_only_once_why_an_operation_has_no_plan(
    log: pytest.LogCaptureFixture, text: str, reason: str
) -> None:
    it = operation(text)
    run(it, [ITEM], {"c": {"number": 1}})
    assert not log.messages
    run(it, [ITEM] * 3, {"c": {"number": 1}})
    assert log.messages == [f'no_plan="{reason}"']
    assert log.records[0].levelno == logging.DEBUG


def test_an_operation_that_has_a_plan_is_not_logged(log: pytest.LogCaptureFixture) -> None:
    run(operation(), [RIGHT] * 3)
    assert not log.messages


def test_a_plan_that_always_hands_over_is_dropped_and_the_log_says_so(
    plans_run: list[Plan], log: pytest.LogCaptureFixture
) -> None:
    results = run(operation(), [ONLY_GRAPHQL_CORE_TAKES_IT] * (MAX_IN_VAIN + 5))
    assert results == [Result({"items": [{"id": "1"}]}, [], executed=True)] * (MAX_IN_VAIN + 5)
    assert len(plans_run) == MAX_IN_VAIN
    assert log.messages == ['no_plan="the plan handed over 10 runs in which graphql-core found no error"']
    assert log.records[0].levelno == logging.DEBUG


@pytest.mark.parametrize(
    "failing",
    [ValueError("a failure of the REST API"), [Item(id=None)], "no list"],
    ids=["a resolver fails", "a value is missing", "a value is wrong"],
)
def test_a_plan_is_kept_when_it_handed_over_a_faulty_result(plans_run: list[Plan], failing: object) -> None:
    runs = [RIGHT, *[failing] * (MAX_IN_VAIN * 2), RIGHT]
    results = run(operation(), runs)
    assert all(result.errors for result in results[1:-1])
    assert results[-1] == results[0]
    assert len(plans_run) == len(runs) - 1


def test_a_plan_is_kept_when_variables_are_wrong(plans_run: list[Plan]) -> None:
    tagged = operation("query($tag: String!) { items(tag: $tag) { id } }")
    run(tagged, [RIGHT] * (MAX_IN_VAIN * 2), {"tag": 1})
    assert run(tagged, [RIGHT], {"tag": "a"}) == [Result({"items": [{"id": "1"}]}, [], executed=True)]
    assert len(plans_run) == MAX_IN_VAIN * 2


def test_a_plan_that_has_completed_a_run_is_kept(plans_run: list[Plan]) -> None:
    runs = [RIGHT, RIGHT, *[ONLY_GRAPHQL_CORE_TAKES_IT] * (MAX_IN_VAIN * 2)]
    assert all(result == Result({"items": [{"id": "1"}]}, [], executed=True) for result in run(operation(), runs))
    assert len(plans_run) == len(runs) - 1
