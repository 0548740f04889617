"""The engine's results and errors."""

import asyncio
import logging
from collections.abc import Mapping
from typing import cast

import pytest
import strawberry
from graphql import GraphQLError
from support.engine_runs import counted_runs
from support.engine_schema import Calls, Item, Outcomes, create_schema

from gateway.engine import DocumentError, Engine, Limits, Operation, Result
from gateway.errors import ErrorCode, GatewayError

pytestmark = pytest.mark.quick

SCHEMA = create_schema()
ITEM = "query($id: ID!) { item(id: $id) { id created title } }"
TRICKY = "SECRET of the upstream"


class Answers(Outcomes):
    """Results by resolver call."""

    def __init__(self, answers: Mapping[str, object]) -> None:
        self._answers = answers

    def answer(self, call: str, name: str) -> object:
        del name
        outcome = self._answers.get(call, Item(id="1", created=5, title="one"))
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


def run(
    text: str,
    variables: Mapping[str, object] | None = None,
    *,
    times: int = 1,
    limits: Limits | None = None,
    outcomes: Outcomes | None = None,
) -> Result:
    """Run an operation several times, and return the last result. The first run has no plan."""
    engine = Engine(SCHEMA, limits=limits or Limits())
    calls = Calls(outcomes or Outcomes())

    async def all_times() -> Result:
        for _ in range(times - 1):
            await engine.prepare(text, None).execute(variables, calls)
        return await engine.prepare(text, None).execute(variables, calls)

    return asyncio.run(all_times())


def refusal(text: str, name: str | None = None, *, introspection: bool = True) -> dict[str, object]:
    with pytest.raises(DocumentError) as caught:
        Engine(SCHEMA, introspection=introspection).prepare(text, name)
    (error,) = caught.value.errors
    return error


def code(error: Mapping[str, object]) -> object:
    return cast("dict[str, object]", error["extensions"])["code"]


@pytest.mark.parametrize("times", [1, 2, 3])
def test_an_operation_returns_the_same_result_at_every_run(times: int) -> None:
    result = run(ITEM, {"id": "1"}, times=times)
    assert result == Result({"item": {"id": "1", "created": "9007199254740993", "title": "one"}}, [], executed=True)


def test_the_type_and_name_of_an_operation_are_known_before_it_runs() -> None:
    text = "query A { count } mutation B { count }"
    operations = [Engine(SCHEMA).prepare(text, name) for name in ("A", "B")]
    assert [(it.kind, it.name) for it in operations] == [("query", "A"), ("mutation", "B")]


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        ("{", None, "GRAPHQL_PARSE_FAILED"),
        ("", None, "GRAPHQL_PARSE_FAILED"),
        ("{ nothing }", None, "GRAPHQL_VALIDATION_FAILED"),
        ("query A { count } query B { count }", None, "BAD_REQUEST"),
        ("query A { count }", "B", "BAD_REQUEST"),
        ("fragment F on Query { count }", None, "BAD_REQUEST"),
        ("subscription { count }", None, "BAD_REQUEST"),
        ("type Query { a: Int }", None, "BAD_REQUEST"),
    ],
)
def test_an_invalid_document_is_refused_with_a_code(text: str, name: str | None, expected: str) -> None:
    assert code(refusal(text, name)) == expected


def test_variables_that_do_not_coerce_cause_a_request_error_with_a_location() -> None:
    text = "query($input: ItemInput!) { search(input: $input) { id } }"
    for times in (1, 2):
        result = run(text, {"input": {"id": "1", "text": {"length": "x"}}}, times=times)
        assert (result.data, result.executed) == (None, False)
        (error,) = result.errors
        assert code(error) == "BAD_USER_INPUT"
        assert "'$input' has invalid value at .text.length: Int cannot represent" in str(error["message"])


def test_an_argument_that_does_not_coerce_causes_an_error_of_its_field() -> None:
    text = "query($id: ID = null) { a: count item(id: $id) { id } }"
    engine_refusal = refusal(text)
    assert code(engine_refusal) == "GRAPHQL_VALIDATION_FAILED"
    for times in (1, 2):
        result = run(
            'query($id: ID = "1") { a: now item(id: $id) { id } }',
            {"id": None},
            times=times,
            outcomes=Answers({"now": "x"}),
        )
        assert result.data == {"a": "x", "item": None}
        (error,) = result.errors
        assert (code(error), error["path"]) == ("BAD_USER_INPUT", ["item"])


def test_a_null_that_strawberry_refuses_is_reported_as_bad_user_input() -> None:
    variables: list[tuple[str, dict[str, object]]] = [("$must: String", {"must": None}), ("$must: String = null", {})]
    for definition, given in variables:
        for times in (1, 2):
            text = f"query({definition}) {{ search(input: {{id: 1, must: $must}}) {{ id }} }}"
            result = run(text, given, times=times)
            (error,) = result.errors
            assert (code(error), result.data) == ("BAD_USER_INPUT", {"search": None})


@pytest.mark.parametrize("times", [1, 2])
def test_a_coded_error_passes_unchanged(times: int) -> None:
    errors = {
        "item 1": GraphQLError("No.", extensions={"code": "FORBIDDEN", "status": 403}),
        "item 2": GatewayError(ErrorCode.CONFLICT, "Busy.", status=409),
    }
    result = run(
        '{ a: item(id: 1) { id } b: item(id: 2) { id } c: item(id: "3") { id } }', times=times, outcomes=Answers(errors)
    )
    assert result.data == {"a": None, "b": None, "c": {"id": "1"}}
    found = {str(it["path"]): (it["message"], it["extensions"]) for it in result.errors}
    assert found == {
        "['a']": ("No.", {"code": "FORBIDDEN", "status": 403}),
        "['b']": ("Busy.", {"code": "CONFLICT", "status": 409}),
    }


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize(
    "answer",
    [
        ValueError(TRICKY),
        GraphQLError(TRICKY),
        GraphQLError(TRICKY, extensions={"code": "NOT_OURS"}),
        Item(id=None, title=TRICKY),
        Item(id="1", created=TRICKY),
        TRICKY,
    ],
    ids=lambda answer: type(answer).__name__,
)
def test_any_other_error_is_masked_and_logged_without_its_message(
    answer: object, times: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    result = run(ITEM, {"id": "1"}, times=times, outcomes=Answers({"item 1": answer}))
    (error,) = result.errors
    assert (error["message"], error["extensions"]) == ("Internal server error", {"code": "INTERNAL_SERVER_ERROR"})
    logged = [record.getMessage() for record in caplog.records if record.name == "gateway.engine"]
    assert len(logged) == times
    assert "executor.py" in logged[-1] or "engine_schema.py" in logged[-1]
    assert "SECRET" not in caplog.text


def test_the_number_of_errors_is_limited_and_the_last_one_says_how_many_are_omitted() -> None:
    answer = [Item(id="1", created="x")] * 30
    result = run("{ items { created } }", limits=Limits(errors=5), outcomes=Answers({"items x": answer}))
    assert len(result.errors) == 6
    assert result.errors[-1]["message"] == "25 more errors below root fields are not shown: at most 5 are reported."
    assert code(result.errors[-1]) == "INTERNAL_SERVER_ERROR"


def test_a_resolver_gets_the_context_of_each_run() -> None:
    seen: list[tuple[object, ...]] = []

    @strawberry.type
    class Query:
        @strawberry.field
        async def hello(self, info: strawberry.Info[str, None], name: str = "x") -> str:
            seen.append((type(info), self, info.context, info.python_name, info.return_type))
            return name

    schema = strawberry.Schema(Query)
    engine = Engine(schema)
    text = 'query It($name: String = "y", $n: String) { a: hello(name: $name) b: hello(name: $n) }'

    async def thrice() -> list[Result]:
        return [await engine.prepare(text, None).execute({"n": "z"}, "the context") for _ in range(3)]

    first, *others = asyncio.run(thrice())
    assert first.data == {"a": "y", "b": "z"}
    assert all(other == first for other in others)
    assert seen[0:2] == seen[2:4] == seen[4:6]


def test_a_resolver_that_modifies_its_arguments_affects_no_other_request() -> None:
    @strawberry.input
    class Words:
        words: list[str] = strawberry.field(default_factory=lambda: ["default"])

    @strawberry.type
    class Query:
        @strawberry.field
        def count(self, words: list[str], more: Words, most: Words) -> int:
            for some in (words, more.words, most.words):
                some.append("changed")
            return len(words) + len(more.words) + len(most.words)

    engine = Engine(strawberry.Schema(Query))
    text = 'query($most: Words = {words: ["a"]}) { count(words: ["a"], more: {words: ["a"]}, most: $most) }'

    async def often() -> list[object]:
        return [(await engine.prepare(text, None).execute(None, None)).data for _ in range(4)]

    assert asyncio.run(often()) == [{"count": 6}] * 4


def test_cancelling_an_operation_cancels_its_resolvers() -> None:
    cancelled: list[str] = []

    class Waiting(Outcomes):
        async def wait(self, call: str) -> None:
            started.add(call)
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                cancelled.append(call)
                raise

    started: set[str] = set()

    async def cancel(text: str, times: int, calls: set[str]) -> None:
        operation = Engine(SCHEMA).prepare(text, None)
        for _ in range(times - 1):
            await operation.execute(None, Calls(Outcomes()))
        started.clear()
        cancelled.clear()
        task = asyncio.create_task(operation.execute(None, Calls(Waiting())))
        while started != calls:  # noqa: ASYNC110  # a few iterations of the loop
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert set(cancelled) == calls

    for times in (1, 2):
        asyncio.run(cancel("{ item(id: 1) { id } }", times, {"item 1"}))
        asyncio.run(cancel("{ a: item(id: 1) { id } b: item(id: 2) { id } }", times, {"item 1", "item 2"}))


def test_query_fields_run_concurrently_and_mutation_fields_in_order() -> None:
    events: list[str] = []

    class Recording(Outcomes):
        async def wait(self, call: str) -> None:
            events.append(f"{call} starts")
            await asyncio.sleep(0)
            events.append(f"{call} ends")

    for times in (1, 2):
        events.clear()
        run("{ a: item(id: 1) { id } b: item(id: 2) { id } }", times=times, outcomes=Recording())
        assert events[-4:] == ["item 1 starts", "item 2 starts", "item 1 ends", "item 2 ends"]
        run("mutation { a: update(id: 1) { id } b: update(id: 2) { id } }", times=times, outcomes=Recording())
        assert events[-4:] == ["update 1 starts", "update 1 ends", "update 2 starts", "update 2 ends"]


def test_no_mutation_runs_twice_when_another_fails() -> None:
    text = "mutation { a: update(id: 1) { id } b: update(id: 2) { id } c: update(id: 3) { id title } }"
    for failure in (ValueError("x"), Item(id=None)):
        for number, key in enumerate("abc", start=1):
            calls = Calls(Answers({f"update {number}": failure}))
            operation = Engine(SCHEMA).prepare(text, None)
            asyncio.run(operation.execute(None, Calls(Outcomes())))  # the next run uses a plan
            result = asyncio.run(operation.execute(None, calls))
            assert calls.made == ["update 1", "update 2", "update 3"]
            assert [error["path"] for error in result.errors] in ([[key]], [[key, "id"]])


def test_an_operation_runs_even_if_a_bug_prevents_its_compilation(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise ValueError(TRICKY)

    monkeypatch.setattr("gateway.engine.plan._Compiler.plan", fail)
    assert run(ITEM, {"id": "1"}, times=3).errors == []
    assert "ValueError" in caplog.text
    assert "SECRET" not in caplog.text
    assert len(caplog.records) == 1


def compiled(text: str) -> bool:
    operation: Operation = Engine(SCHEMA).prepare(text, None)
    with counted_runs() as runs:
        for _ in range(2):
            asyncio.run(operation.execute(None, Calls(Outcomes())))
    return runs.plans > 0


@pytest.mark.parametrize(
    "text",
    [
        "{ item(id: 1) { id } __typename }",
        "{ ...F ...F } fragment F on Query { item(id: 1) { ...G id } a: now } fragment G on Item { title }",
        "query($i: ItemInput = {id: 1}, $t: TextInput) { search(input: $i, inputs: [{id: 2, text: $t}]) { id } }",
        "mutation { a: create(flag: true) { id } b: create { text { body } } }",
        "{ items { related @include(if: true) { shout selfTitle double } id @skip(if: true) } }",
        "{ sure(id: 1) { id } }",
        "query($yes: Boolean = true) { item(id: 1) { id @include(if: $yes) title @skip(if: $yes) } }",
        "{ now count colors page { nodes { matrix } edges { node { id } } } }",
    ],
)
def test_typical_operations_of_frontends_are_compiled(text: str) -> None:
    assert compiled(text)


@pytest.mark.parametrize(
    "text",
    [
        "{ __schema { queryType { name } } }",
        "{ item(id: 1) { slow } }",
        "{ item(id: 1) { padded(width: 2) } }",
        "{ sure(id: 1) { id } now }",
        'query($name: String! = "x") { choose(choice: {name: $name}) { id } }',
        '{ search(ids: 1) { id } ... @skip(if: false) { nothing: __type(name: "X") { name } } }',
    ],
)
def test_rare_features_are_left_to_graphql_core(text: str) -> None:
    assert not compiled(text)
