"""Fields with `@skip` and `@include` on variables run by a plan for each combination of their values."""

import asyncio
from collections.abc import Mapping
from itertools import product
from typing import Any

import pytest
from support.engine_runs import counted_runs
from support.engine_schema import Calls, Outcomes, create_schema

from gateway.engine import Engine
from gateway.engine.document import MAX_PLANS
from gateway.engine.operation import Operation
from gateway.engine.result import Result

SCHEMA = create_schema()
TEXT = """query($a: Boolean!, $b: Boolean = false, $id: ID = "1") {
  item(id: $id) { id title @include(if: $a) ...F @skip(if: $b) }
  ... @include(if: $b) { now }
}
fragment F on Item { hot @include(if: $a) created @skip(if: $a) }"""


def run(operation: Operation, variables: Mapping[str, Any] | None) -> Result:
    return asyncio.run(operation.execute(variables, Calls(Outcomes())))


def expected(text: str, variables: dict[str, Any] | None) -> object:
    return asyncio.run(SCHEMA.execute(text, variables, Calls(Outcomes()))).data


def known(text: str, variables: Mapping[str, Any] | None) -> Operation:
    """Return an operation that has run before, so that it has plans from now on."""
    operation = Engine(SCHEMA).prepare(text, None)
    run(operation, variables)
    return operation


def test_each_combination_of_values_has_a_plan_that_answers_as_graphql_core_does() -> None:
    operation = known(TEXT, {"a": True})
    for _ in range(3):
        for a, b in product((True, False), repeat=2):
            variables = {"a": a, "b": b}
            with counted_runs() as runs:
                result = run(operation, variables)
            assert result.errors == []
            assert result.data == expected(TEXT, variables)
            assert list(result.data or ()) == ["item", "now"][: 1 + b]
            assert runs.by_core == 0


@pytest.mark.parametrize(
    "text",
    [
        """query($a: Boolean!, $b: Boolean!) {
            now @include(if: $a) @skip(if: $b) count @skip(if: $a) @include(if: true)
        }""",
        "query($a: Boolean!, $b: Boolean!) { item(id: 1) @include(if: $a) { id } item(id: 1) @skip(if: $b) { title } }",
        "query($a: Boolean!, $b: Boolean!) { ...F @include(if: $a) ...F @include(if: $b) } fragment F on Query { now }",
        """query($a: Boolean!, $b: Boolean!) { ... @skip(if: $a) { item(id: 1) { ...F } } item(id: 1) { id } }
        fragment F on Item { ... on Item @include(if: $b) { text { body @skip(if: $a) __typename } } }""",
        "query($a: Boolean!, $b: Boolean!) { __typename @include(if: $a) t: __typename @skip(if: $b) }",
        """mutation($a: Boolean!, $b: Boolean!) {
            one: create @include(if: $a) { id } one: create @include(if: $b) { title }
            two: update(id: 1) @skip(if: $a) { id @include(if: $b) }
        }""",
    ],
)
def test_conditions_at_every_place_answer_and_call_as_with_graphql_core(text: str) -> None:
    operation = known(text, {"a": True, "b": True})
    for a, b in product((True, False), repeat=2):
        variables = {"a": a, "b": b}
        for _ in range(2):
            calls, expected_calls = Calls(Outcomes()), Calls(Outcomes())
            with counted_runs() as runs:
                result = asyncio.run(operation.execute(variables, calls))
            expected = asyncio.run(SCHEMA.execute(text, variables, expected_calls))
            assert (str(result.data), result.errors, expected.errors) == (str(expected.data), [], None)
            assert calls.made == expected_calls.made
            assert runs.by_core == 0


def test_a_variable_that_is_absent_has_its_default() -> None:
    operation = known(TEXT, {"a": True})
    with counted_runs() as runs:
        assert run(operation, {"a": True}).data == expected(TEXT, {"a": True, "b": False})
        assert run(operation, {"a": True, "b": True}).data == expected(TEXT, {"a": True, "b": True})
    assert (runs.plans, runs.by_core) == (2, 0)


@pytest.mark.parametrize("variables", [None, {}, {"a": None}, {"a": 1}, {"a": "true"}, {"a": True, "b": None}])
def test_a_value_that_is_no_boolean_is_refused_by_graphql_core(variables: dict[str, Any] | None) -> None:
    operation = known(TEXT, {"a": True})
    for _ in range(3):
        result = run(operation, variables)
        assert result.data is None
        assert [error["extensions"] for error in result.errors] == [{"code": "BAD_USER_INPUT"}]
    with counted_runs() as runs:
        assert run(operation, {"a": True}).errors == []
    assert runs.by_core == 0


def test_all_fields_can_be_left_out() -> None:
    for text in (
        "query($a: Boolean!) { now @include(if: $a) }",
        "query($a: Boolean!) { item(id: 1) { id @include(if: $a) } }",
        "mutation($a: Boolean!) { create @include(if: $a) { id } }",
    ):
        operation = known(text, {"a": False})
        with counted_runs() as runs:
            result = run(operation, {"a": False})
        assert (result.errors, result.data) == ([], expected(text, {"a": False}))
        assert runs.by_core == 0


def test_a_mutation_that_is_left_out_is_not_called() -> None:
    operation = known("mutation($a: Boolean!) { one: create @skip(if: $a) { id } two: create { id } }", {"a": True})
    for a in (True, False, True):
        calls = Calls(Outcomes())
        asyncio.run(operation.execute({"a": a}, calls))
        assert len(calls.made) == (1 if a else 2)


def test_a_variable_that_is_a_condition_only_in_another_operation_is_checked() -> None:
    text = """query A($x: String = "a", $y: Boolean!) { now items(tag: $x) @include(if: $y) { id } }
    query B($x: Boolean!) { now @include(if: $x) }"""
    operation = Engine(SCHEMA).prepare(text, "A")
    for _ in range(3):
        (error,) = run(operation, {"x": True, "y": False}).errors
        assert error["message"] == "Variable '$x' has invalid value: String cannot represent a non string value: True"
        assert run(operation, {"x": "b", "y": True}).errors == []


@pytest.mark.parametrize(("values", "plans"), [(1, MAX_PLANS), (400, 3), (1_800, 1)])
def test_the_plans_of_an_operation_are_bounded_in_number_and_in_bytes(values: int, plans: int) -> None:
    names = "abcdefgh"
    conditional = " ".join(f"{name}: now @include(if: ${name})" for name in names)
    variables = " ".join(f"${name}: Boolean!" for name in names)
    text = f"query({variables}) {{ {conditional} search(ids: [{'1 ' * values}]) {{ id }} }}"
    operation = known(text, dict.fromkeys(names, True))
    with counted_runs() as runs:
        for chosen in product((True, False), repeat=len(names)):
            given = dict(zip(names, chosen, strict=True))
            expected = {name for name, value in given.items() if value} | {"search"}
            assert set(run(operation, given).data or ()) == expected
    assert runs.plans == plans
    engine = Engine(SCHEMA)
    assert engine.prepare(text, None) is engine.prepare(text, None), "it is small enough for the cache"
