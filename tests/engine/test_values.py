"""Every kind of value in every kind of position is handled as by graphql-core, in input and in results."""

import asyncio
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial

import pytest
from graphql import GraphQLError, Undefined
from strawberry import UNSET
from support.documents import ABSENT, WRONG, Case
from support.engine_comparison import compare
from support.engine_schema import Color, Item, Outcomes, Page, Text

from gateway.engine import DocumentError


class Answer(Outcomes):
    """Always return the same result."""

    def __init__(self, make: Callable[[], object]) -> None:
        self._make = make

    def answer(self, call: str, name: str) -> object:
        del call, name
        return self._make()


class OddError(GraphQLError):
    """An exception with the attributes of an item and of a text."""

    id = "1"
    title = body = text = None
    nodes = ()  # type: ignore[assignment]
    total = 0


class Waiting:
    """An awaitable that returns None."""

    def __await__(self) -> Iterator[None]:
        return asyncio.sleep(0).__await__()


class OddWaiting(Waiting):
    """An awaitable that has the attributes of an item and of a text."""

    id = "1"
    title = body = text = None


def _same(value: object) -> object:
    return value


TYPES = {
    "input": "ItemInput",
    "inputs": "[ItemInput!]",
    "color": "Color",
    "maybe": "TextInput",
    "ids": "[ID!]",
    "scores": "[Float]",
    "since": "Int64",
    "deep": "[[Int64!]!]",
    "flag": "Boolean!",
}
RIGHT: dict[str, list[object]] = {
    "input": [
        {"id": "1"},
        {"id": 5, "created": None, "hot": None, "color": "RED", "text": {}, "tags": "a", "extra": [1]},
    ],
    "inputs": [[], {"id": "1"}, [{"id": "1", "child": {"id": 2, "child": {"id": "3"}}}]],
    "color": ["GREEN", "BLUE"],
    "maybe": [{}, {"body": None, "length": 3, "labels": ["x"]}, {"labels": None}],
    "ids": [["1", 2], "1", 2.0],
    "scores": [[None, 1, 1.5], 2, [True]],
    "since": [0, "-5", 2**63 - 1],
    "deep": [[[1, "2"], []], 3, [4]],
    "flag": [False],
}
DEFAULTS = {
    "input": '{id: "d", tags: ["x"]}',
    "inputs": "{id: 1}",
    "color": "GREEN",
    "maybe": "null",
    "ids": "[1]",
    "scores": "[null, 2]",
    "since": '"7"',
    "deep": "1",
    "flag": "true",
}


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("definition", ["TYPE", "TYPE!", "TYPE = DEFAULT", "NULLABLE = DEFAULT"])
def test_a_variable_is_coerced_as_by_graphql_core(name: str, definition: str) -> None:
    own_type = definition.replace("TYPE", TYPES[name]).replace("!!", "!").replace("NULLABLE", TYPES[name].rstrip("!"))
    text = f"query($v: {own_type}) {{ search({name}: $v) {{ id }} }}".replace("DEFAULT", DEFAULTS[name])
    for value in [ABSENT, *WRONG, *RIGHT[name]]:
        variables = {} if value is ABSENT else {"v": value}
        compared = compare(Case(text, variables, "query"), Outcomes)
        assert compared.compiled
        assert compared.handed_over == bool(compared.errors)


@pytest.mark.parametrize(
    ("place", "type_"),
    [
        ("input: {id: $v}", "ID!"),
        ('input: {id: 1, title: $v, must: "x"}', "String"),
        ("input: {id: 1, created: $v}", "Int64"),
        ("input: {id: 1, score: $v}", "Float"),
        ("input: {id: 1, score: $v}", "Float = null"),
        ("input: {id: 1, color: $v}", "Color = RED"),
        ("input: {id: 1, color: $v}", "Color"),
        ("input: {id: 1, text: {body: $v}}", "String"),
        ("input: {id: 1, text: {length: $v}}", "Int"),
        ("input: {id: 1, text: $v}", "TextInput"),
        ("input: {id: 1, must: $v}", "String"),
        ("input: {id: 1, must: $v}", "String!"),
        ("input: {id: 1, must: $v}", "String = null"),
        ("input: {id: 1, tags: [$v, null]}", "String"),
        ("input: {id: 1, matrix: [[$v]]}", "Int!"),
        ("input: {id: 1, child: {id: 2, texts: [$v]}}", "TextInput!"),
        ("input: {id: 1, extra: $v}", "JSON"),
        ("input: {id: 1, extra: $v}", "JSON!"),
        ("inputs: [{id: 1, extra: {a: [1]}}, $v]", "ItemInput!"),
        ("inputs: $v", "[ItemInput!]"),
        ("scores: [$v, 1]", "Float"),
        ("scores: [$v]", "Float = 2"),
        ("maybe: $v", "TextInput"),
        ("maybe: {labels: $v}", "[String!]"),
        ("flag: $v", "Boolean = true"),
        ("flag: $v", "Boolean"),
        ("flag: true) @skip(if: $v", "Boolean!"),
    ],
)
def test_a_variable_inside_a_literal_is_coerced_as_by_graphql_core(place: str, type_: str) -> None:
    text = f"query($v: {type_}) {{ search({place}) {{ id }} a: count }}"
    for value in [ABSENT, *WRONG, "GREEN", {"id": "1", "texts": [{}]}, {"body": None, "length": 2}, True]:
        variables = {} if value is ABSENT else {"v": value}
        try:
            compared = compare(Case(text, variables, "query"), Outcomes)
        except DocumentError:
            # A nullable variable needs a default where null is not allowed.
            assert type_ in {"Color", "Boolean", "Int"}
            return
        if compared.compiled:
            assert compared.handed_over == bool(compared.errors)


def test_an_unused_variable_must_also_coerce() -> None:
    text = "query($v: [Int!]) { now search @skip(if: true) { padded(width: 3) @include(if: true) } } "
    text += "fragment F on Query { page(first: $v) { total } }"
    with pytest.raises(DocumentError):
        compare(Case(text, {}, "query"), Outcomes)
    skipped = "page(first: $v) @skip(if: true) { total } p: page(first: $w) @skip(if: true) { total }"
    text = f"query($v: Int, $w: Int! = 2) {{ now {skipped} }}"
    for value in [ABSENT, *WRONG]:
        variables = {} if value is ABSENT else {"v": value, "w": value}
        compared = compare(Case(text, variables, "query"), lambda: Answer(lambda: "x"))
        assert compared.compiled
        assert compared.handed_over == bool(compared.errors)


VALUES: list[Callable[[], object]] = [
    *map(
        partial(partial, _same),
        [
            *[None, True, False, 0, -1, 404, 2**31, 2**63, 1.0, 0.5, float("nan"), float("inf"), "", "x", "12", b"x"],
            *[Decimal(1), Color.RED, "RED", "red", Undefined, UNSET, object, {}, {"a": 1}, {"id": "1"}],
            *[(), [], [1], ["a"], [None], [[1]], [[None, 2]], ((1,),), ["a", None], {1}, frozenset(), range(2)],
            *[Text("b"), Item("1"), [Item("1")], [Text("b")]],
            *[ValueError("returned"), [ValueError("returned")]],
        ],
    ),
    lambda: iter([]),
    lambda: iter(["a"]),
    lambda: iter([Item("1")]),
    lambda: OddError("returned"),
    lambda: [Item("1"), OddError("returned")],
    OddWaiting,
    lambda: [Item("1"), OddWaiting()],
]
FIELDS = ["id", "created", "title", "score", "hot", "color", "tags", "matrix", "extra"]
OBJECTS = [
    "text { body }",
    "text { __typename }",
    "related { id }",
    "related { __typename }",
    "related { text { body } }",
]


@pytest.mark.parametrize("selection", [*FIELDS, *OBJECTS])
def test_a_result_is_completed_as_by_graphql_core(selection: str) -> None:
    field, *_ = selection.split(maxsplit=1)
    for text in f"{{ item(id: 1) {{ {selection} }} }}", f"{{ item(id: 1) {{ id {selection} }} a: now }}":
        for make in VALUES:
            compared = compare(Case(text, {}, "query"), partial(Answer, partial(_item, field, make)))
            assert compared.compiled


def _item(field: str, make: Callable[[], object]) -> Item:
    return Item(**{"id": "1", field: make()})


@pytest.mark.parametrize(
    "selection",
    [
        "item(id: 1) { id }",
        "item(id: 1) { __typename }",
        "item(id: 1) { text { body } }",
        "items { id }",
        "items { __typename }",
        "count",
        "now",
        "colors",
        "page { total }",
        "page { edges { node { __typename } } }",
        "sure(id: 1) { __typename }",
        "a: item(id: 1) { id } b: items { title } c: now",
    ],
)
def test_a_root_resolver_may_return_anything(selection: str) -> None:
    for make in VALUES:
        outcomes: list[Callable[[], object]] = [
            make,
            partial(_page, make, in_list=False),
            partial(_page, make, in_list=True),
        ]
        for outcome in outcomes:
            compared = compare(Case(f"{{ {selection} }}", {}, "query"), partial(Answer, outcome))
            assert compared.compiled


@pytest.mark.parametrize("selection", ["items { id }", "items { __typename }", "count", "now", "a: now b: colors"])
def test_a_synchronous_resolver_may_return_an_awaitable(selection: str) -> None:
    compared = compare(Case(f"{{ {selection} }}", {}, "query"), partial(Answer, Waiting))
    assert compared.compiled
    assert not compared.handed_over


def _page(make: Callable[[], object], *, in_list: bool) -> Page:
    return Page([make()] if in_list else make())


@pytest.mark.parametrize(
    ("selection", "value"),
    [
        ("id title created score hot color", Item("1", 2**63 - 1, "t", 0.5, hot=True, color=Color.GREEN)),
        ("tags matrix", Item("1", tags=("a",), matrix=[[1, None], (2,)])),
        ("text { body length __typename } related { id }", Item("1", text=Text("b", 3), related=[Item("2")])),
        ("shout double selfTitle extra", Item("1", 5, "t", extra={"a": [None]})),
        ("id created title score hot color text { body } tags matrix related { id } extra", Item("1", tags=None)),
    ],
)
def test_valid_results_do_not_need_graphql_core(selection: str, value: Item) -> None:
    for text in f"{{ item(id: 1) {{ {selection} }} }}", f"{{ a: item(id: 1) {{ {selection} }} b: __typename }}":
        compared = compare(Case(text, {}, "query"), lambda: Answer(lambda: value))
        assert compared.compiled
        assert not compared.handed_over
