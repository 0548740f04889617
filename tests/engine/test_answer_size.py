"""A response that repeats values too often is refused before it is serialized."""

import asyncio
import json

import pytest
from graphql import parse
from support.engine_schema import Calls, Item, Outcomes, Page, Text, create_schema

from gateway.engine import Engine, Limits
from gateway.engine.result import Result
from gateway.engine.size import is_larger, multiplies
from gateway.errors import ErrorCode, GatewayError, Outcome

pytestmark = pytest.mark.quick

ENGINE = Engine(create_schema(), limits=Limits(answer_bytes=10_000))
MESSAGE = (
    "The response is too large: at most 10000 bytes are allowed. "
    "Select fewer fields, request fewer items, or use fewer aliases."
)


class Large(Outcomes):
    """Return a thousand characters for each item, and fail for one field."""

    def answer(self, call: str, name: str) -> object:
        if call == "update 2":
            raise GatewayError(ErrorCode.CONFLICT, "No.", outcome=Outcome.NOT_APPLIED)
        item = Item(id="1", title="x" * 1_000, text=Text("y" * 1_000), related=None)
        return Page([item] * 5, 5) if name == "page" else item


def run(text: str) -> list[Result]:
    """Run a document with graphql-core, then with its plan."""
    calls = Calls(Large())
    return [asyncio.run(ENGINE.prepare(text, None).execute(None, calls)) for _ in range(3)]


@pytest.mark.parametrize(
    "text",
    [
        "{ page { nodes { a: title b: title } } }",
        "{ page { edges { node { title } } nodes { t: title } } }",
        "{ page { nodes { text { body } t: text { body } } } }",
        "{ a: page { nodes { title } } b: page { nodes { title } } }",
        "{ page { nodes { title ...F } } } fragment F on Item { again: title }",
        "{ page { nodes { title slow ... { again: title } } } }",
        "{ page { nodes { " + "x" * 2_000 + ": id } } }",
    ],
)
def test_the_error_of_a_query_with_too_large_an_answer_says_what_to_do(text: str) -> None:
    for result in run(text):
        assert result.executed
        assert result.data is None
        assert result.errors == [{"message": MESSAGE, "extensions": {"code": "ANSWER_TOO_LARGE"}}]


def test_a_mutation_with_too_large_an_answer_reports_the_outcome_of_each_field() -> None:
    aliases = " ".join(f"a{n}: title" for n in range(6))
    text = (
        "mutation { first: update(id: 1) { ...F } failing: update(id: 2) { id } ...M } "
        f"fragment F on Item {{ {aliases} }} fragment M on Mutation {{ ... {{ last: update(id: 3) {{ ...F }} }} }}"
    )
    for result in run(text):
        assert result.executed
        assert result.data is None
        by_path = {str(error["path"]): error for error in result.errors}
        assert len(by_path) == len(result.errors) == 3
        assert by_path["['failing']"]["extensions"] == {"code": "CONFLICT", "outcome": "NOT_APPLIED"}
        for key in ("first", "last"):
            error = by_path[f"['{key}']"]
            assert error["message"] == MESSAGE
            assert error["extensions"] == {"code": "ANSWER_TOO_LARGE", "outcome": "APPLIED"}
            assert error["locations"] == [{"line": 1, "column": text.index(key) + 1}]


@pytest.mark.parametrize("text", ["{ page { nodes { title } total } }", "{ item(id: 1) { a: title b: title } }"])
def test_an_answer_within_the_limit_is_returned(text: str) -> None:
    for result in run(text):
        assert result.errors == []
        assert result.data


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{ item { id title } page { total nodes { id } } }", False),
        ("{ one: item { id } }", False),
        ("{ one: item { id } page { one: nodes { id } } }", False),
        ("{ one: item { id } two: item { id } }", True),
        ("{ item { id } one: item { id } }", True),
        ("{ item { ...F id } } fragment F on Item { other: id }", True),
        (f"{{ {'x' * 101}: item {{ id }} }}", True),
    ],
)
def test_only_documents_that_alias_a_field_several_times_are_measured(text: str, told: bool) -> None:
    assert multiplies(parse(text)) is told


@pytest.mark.parametrize(
    "data",
    [
        {"a": ["x" * 10] * 3, "b": {"c": None, "d": True, "e": 2**31, "f": -1.5}},
        {"a": ["\x01" * 50, '"' * 50, "é" * 50, "\U0001f600"]},
        {"long" * 50: [{"long" * 50: ""}] * 20},
        {},
    ],
)
def test_an_answer_is_measured_as_serialized(data: object) -> None:
    size = len(json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode())
    assert is_larger(data, size - 100)
    assert not is_larger(data, size + 100)
