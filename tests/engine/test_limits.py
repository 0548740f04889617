"""Hostile documents and variables are refused before they become expensive."""

import asyncio
from typing import cast

import pytest
from graphql import get_introspection_query
from support.engine_schema import Calls, Outcomes, create_schema

from gateway.engine import DocumentError, Engine, Limits

pytestmark = pytest.mark.quick

SCHEMA = create_schema()
RELATED = "{ items { related { related { id } } } }"


def messages(text: str, limits: Limits | None = None) -> list[str]:
    with pytest.raises(DocumentError) as caught:
        Engine(SCHEMA, limits=limits or Limits()).prepare(text, None)
    for error in caught.value.errors:
        assert cast("dict[str, object]", error["extensions"])["code"] == "GRAPHQL_VALIDATION_FAILED"
    return [str(error["message"]) for error in caught.value.errors]


def fits(text: str, limits: Limits | None = None) -> bool:
    Engine(SCHEMA, limits=limits or Limits()).prepare(text, None)
    return True


@pytest.mark.parametrize(
    ("limits", "fitting", "refused", "expected"),
    [
        (Limits(characters=9), "{ count }", "{ count  }", "too long: at most 9 characters"),
        (Limits(tokens=3), "{ count }", "{ count now }", "more than 3 tokens"),
        (
            Limits(number_characters=3),
            "{ page(first: 100) { total } }",
            "{ page(first: 1000) { total } }",
            "at most 3 char",
        ),
        (
            Limits(number_characters=3),
            "{ page(first: 100) { total } }",
            "{ page(first: 1e10) { total } }",
            "at most 3 char",
        ),
        (Limits(depth=4), RELATED, "{ page { edges { node { related { id } } } } }", "levels of fields: at most 4"),
        (Limits(nesting=4), RELATED, "{ page { edges { node { related { id } } } } }", "selection sets: at most 4"),
        (Limits(nesting=2), "{ ... { now } }", "{ ... { ... { now } } }", "levels of selection sets: at most 2"),
        (Limits(fields=2), "{ now count }", "{ now ...F } fragment F on Query { now count }", "fields, with its fragm"),
        (Limits(aliases=1), "{ a: now }", "{ a: now b: now }", "aliases, with its fragments expanded: at most 1"),
        (Limits(root_fields=2), "{ now count }", "{ now ... { count colors } }", "root fields: at most 2"),
        (
            Limits(directives=1),
            "{ now @skip(if: true) }",
            "query($a: Int @x) { now @skip(if: true) }",
            "directives: at most 1",
        ),
        (
            Limits(directives_at_once=1),
            "{ now @skip(if: true) }",
            "query($a: Int @x @x) { now @skip(if: true) }",
            "directives at one place: at most 1",
        ),
        (Limits(comparisons=100), "{ now }", f"{{ {'now ' * 20} }}", "at most 100 steps"),
    ],
)
def test_an_error_names_the_limit_and_its_value(limits: Limits, fitting: str, refused: str, expected: str) -> None:
    assert fits(fitting, limits)
    assert any(expected in message for message in messages(refused, limits)), messages(refused, limits)


def test_aliases_and_fields_are_counted_with_fragments_expanded() -> None:
    text = "{ ...F ...F ...G } fragment F on Query { ...G ...G } fragment G on Query { a: now count }"
    limits = Limits(aliases=5, fields=10, root_fields=10)
    assert fits(text, limits)
    assert len(messages(text, Limits(aliases=4, fields=9, root_fields=9))) == 3


def bomb(levels: int, selection: str) -> str:
    fragments = [f"fragment F{n} on Item {selection.replace('NEXT', f'...F{n + 1}')}" for n in range(levels)]
    return "{ items { ...F0 } } " + " ".join(fragments) + f" fragment F{levels} on Item {{ id }}"


@pytest.mark.parametrize(
    "selection", ["{ NEXT NEXT }", "{ a: related { NEXT } b: related { NEXT } }", "{ NEXT ...F30 NEXT }"]
)
@pytest.mark.parametrize("reverse", [False, True])
def test_a_fragment_bomb_is_measured_without_being_expanded(selection: str, reverse: bool) -> None:
    text = bomb(30, selection)
    if reverse:
        head, *fragments = text.split(" fragment ")
        text = " fragment ".join([head, *reversed(fragments)])
    assert any("fields, with its fragments expanded" in message for message in messages(text))


def test_a_cycle_of_fragments_is_a_validation_error() -> None:
    fragments = {"A": "id ...B", "B": "related { ...A } ...C", "C": "...A"}
    text = "{ items { ...A } } " + " ".join(f"fragment {name} on Item {{ {it} }}" for name, it in fragments.items())
    assert all("within itself" in message for message in messages(text))


def test_a_long_chain_of_fragments_is_refused_in_either_order() -> None:
    for order in (1, -1):
        names = list(range(180))[::order]
        chain = " ".join(f"fragment F{n} on Query {{ ...F{n + 1} }}" for n in names)
        text = f"{{ ...F0 }} {chain} fragment F180 on Query {{ now }}"
        assert any("levels of selection sets" in message for message in messages(text))


@pytest.mark.parametrize("everything", [False, True])
def test_an_introspection_query_is_within_the_limits(everything: bool) -> None:
    options = ["specified_by_url", "directive_is_repeatable", "schema_description", "input_value_deprecation"]
    text = get_introspection_query(**dict.fromkeys(options, everything))
    result = asyncio.run(Engine(SCHEMA).prepare(text, None).execute(None, None))
    assert result.errors == []


def test_repeated_introspection_is_refused() -> None:
    text = "{ " + " ".join(f"a{n}: __schema {{ types {{ name }} }}" for n in range(200)) + " }"
    assert any("at most 20" in message for message in messages(text))
    deep = "{ __schema { types " + "{ fields { type " * 5 + "{ name }" + " } }" * 5 + " } }"
    assert messages(deep) == ["Maximum introspection depth exceeded"]


def test_the_number_of_errors_of_a_document_is_limited() -> None:
    assert len(messages("{ " + " ".join(f"x{n}" for n in range(20)) + " }", Limits(errors=5))) == 6


def nested(levels: int) -> object:
    value: object = "x"
    for _ in range(levels):
        value = {"a": [value]}
    return value


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ([0] * 101, "A list in the variables is too long: at most 100 items are allowed."),
        ([[0] * 100] * 15, "The variables contain too many values: at most 1500 are allowed."),
        ({str(n): n for n in range(1500)}, "The variables contain too many values: at most 1500 are allowed."),
        (nested(10), "The variables are nested too deeply: at most 20 levels are allowed."),
        (nested(50_000), "The variables are nested too deeply: at most 20 levels are allowed."),
    ],
)
def test_variables_are_limited_for_every_type(extra: object, expected: str) -> None:
    text = "query($extra: JSON) { search(input: {id: 1, extra: $extra}) { id } }"
    operation = Engine(SCHEMA).prepare(text, None)
    for variables in ({"extra": extra}, {"unused": extra}):
        result = asyncio.run(operation.execute(variables, Calls(Outcomes())))
        assert (result.data, result.executed) == (None, False)
        assert [(it["message"], it["extensions"]) for it in result.errors] == [(expected, {"code": "BAD_USER_INPUT"})]


def test_variables_within_the_limits_are_accepted() -> None:
    text = "query($extra: JSON) { search(input: {id: 1, extra: $extra}) { id } }"
    result = asyncio.run(Engine(SCHEMA).prepare(text, None).execute({"extra": nested(9)}, Calls(Outcomes())))
    assert result.executed
    assert result.errors == []
