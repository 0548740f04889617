"""For any document and variables, the engine returns a result that can be serialized."""

import asyncio
from typing import cast

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.engine_schema import Calls, Outcomes, create_schema

from gateway.engine import DocumentError, Engine
from gateway.errors import ErrorCode

SCHEMA = create_schema()
ENGINES = [Engine(SCHEMA), Engine(SCHEMA, introspection=False)]
FIELDS = ["item", "page", "search", "items", "sure", "count", "now", "__typename", "__schema", "__type", "id", "title"]
VALUES = [
    "1",
    "-1",
    "1.5",
    "1" * 5000,
    "true",
    "null",
    "RED",
    '"x"',
    '"""x"""',
    "[]",
    "{}",
    "{id: 1}",
    "$v",
    '"\ud800"',
]
WORDS = [
    "query",
    "mutation",
    "subscription",
    "fragment",
    "on",
    "Query",
    "Item",
    "A",
    "type",
    "input",
    "extend",
    "schema",
]
MARKS = [
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    ":",
    "=",
    "!",
    "|",
    "&",
    "...",
    "@skip",
    "@include(if: $v)",
    "$v",
    "$",
    ",",
    "#",
    '"',
]
TEMPLATES = [
    "{ %s }",
    "query($v: %s) { now }",
    "query($v: ItemInput = %s) { search(input: $v) { id } }",
    "{ item(id: %s) { id } }",
    "{ item(id: 1) { %s } }",
    "mutation A { %s } fragment F on Item { %s }",
    "query A { now } query B { %s }",
    "%s",
]
soup = st.lists(st.sampled_from([*FIELDS, *VALUES, *WORDS, *MARKS]), max_size=12).map(" ".join)
documents = st.one_of(
    st.text(st.characters(codec=None, categories=None), max_size=60),  # lone surrogates included
    soup,
    st.builds(lambda template, part: template.replace("%s", part), st.sampled_from(TEMPLATES), soup),
)
values = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-(10**30), 10**30), st.floats(), st.text(max_size=8), st.just("\ud800")
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.one_of(st.sampled_from(["id", "text", "body", "v"]), st.text(max_size=3)), inner, max_size=4
        ),
    ),
    max_leaves=12,
)


def check(errors: list[dict[str, object]]) -> None:
    """Assert that errors can be serialized, have a code, and are few."""
    msgspec.json.encode(errors)
    assert len(errors) <= 11
    for error in errors:
        assert cast("dict[str, object]", error["extensions"])["code"] in ErrorCode.__members__
        assert isinstance(error["message"], str)


@settings(max_examples=3000, deadline=None, database=None)
@given(
    text=documents,
    name=st.sampled_from([None, "A", "", "B"]),
    variables=st.one_of(st.none(), st.dictionaries(st.sampled_from(["v", "w"]), values)),
    engine=st.sampled_from(ENGINES),
)
def test_any_document_is_answered(
    text: str, name: str | None, variables: dict[str, object] | None, engine: Engine
) -> None:
    for _ in range(3):
        try:
            operation = engine.prepare(text, name)
        except DocumentError as error:
            check(error.errors)
            continue
        result = asyncio.run(operation.execute(variables, Calls(Outcomes())))
        check(result.errors)
        assert result.executed or (result.errors and result.data is None)
        internal = [error for error in result.errors if error["message"] == "Internal server error"]
        assert not internal


@pytest.mark.parametrize(
    "text",
    [
        "query($v: Int64) { search(since: $v) { id } }",
        "query($v: ItemInput!) { search(input: $v) { id } }",
        "query($v: [ItemInput!]) { search(inputs: $v) { id } }",
        "query($v: [[Int64!]!]) { search(deep: $v) { id } }",
        "query($v: JSON) { search(input: {id: 1, extra: $v}) { id } }",
        "query($v: Int) { page(first: $v) { total } }",
        "query($v: Choice!) { choose(choice: $v) { id } }",
        "query($v: Boolean!) { now @include(if: $v) }",
    ],
)
@settings(max_examples=150, deadline=None, database=None)
@given(value=values)
def test_any_variables_are_answered(text: str, value: object) -> None:
    operation = ENGINES[0].prepare(text, None)
    result = asyncio.run(operation.execute({"v": value}, Calls(Outcomes())))
    check(result.errors)
    assert not [error for error in result.errors if error["message"] == "Internal server error"]
