"""Without introspection, no message reveals a name that the client did not send."""

import asyncio
import re
from collections.abc import Mapping

import pytest
from graphql import get_introspection_query
from hypothesis import given, settings
from hypothesis import strategies as st
from support.documents import Generator
from support.engine_schema import Calls, Outcomes, create_schema

from gateway.engine import DocumentError, Engine
from gateway.engine.strawberry_internals import core_schema

pytestmark = pytest.mark.quick

SCHEMA = create_schema()
CORE = core_schema(SCHEMA)
ENGINE = Engine(SCHEMA, introspection=False)
NAMES = {name for name in CORE.type_map if not name.startswith("__")} - {
    "Boolean",
    "Float",
    "ID",
    "Int",
    "String",
}
MEMBERS = {
    "choose", "streamed", "colors", "atLeast", "matrix", "related", "selfTitle", "hasNextPage", "labels", "GREEN",
    "id",
}  # fmt: skip


def messages(engine: Engine, text: str, variables: Mapping[str, object] | None = None) -> list[str]:
    found = []
    for _ in range(2):
        try:
            result = asyncio.run(engine.prepare(text, None).execute(variables, Calls(Outcomes())))
        except DocumentError as error:
            found += [str(it["message"]) for it in error.errors]
        else:
            found += [str(it["message"]) for it in result.errors]
    return found


SUGGESTING: list[tuple[str, dict[str, object] | None]] = [
    ("{ stream }", None),
    ("{ item(di: 1, id: 1) { id } }", None),
    ("{ item { id } }", None),
    ("{ item(id: 1) }", None),
    ("{ item(id: 1) { relate } }", None),
    ("{ now { id } }", None),
    ("query($v: Itme) { now }", None),
    ("query($v: Text) { now }", None),
    ("{ search(color: GREE) { id } }", None),
    ('{ search(color: "GREE") { id } }', None),
    ("{ search(input: {}) { title } }", None),
    ("{ item { title } }", None),
    ("query($v: ItemInput) { search(input: $v) { title } }", {"v": {}}),
    ("{ search(input: {id: 1, ttle: 1}) { id } }", None),
    ("{ search(input: 1) { id } }", None),
    ("{ search(since: true) { id } }", None),
    ("{ search(input: {id: 1, must: null}) { id } }", None),
    ("{ choose(choice: {}) { id } }", None),
    ("{ choose { id } }", None),
    ("{ ... on Itme { id } }", None),
    ("{ ... on Page { total } }", None),
    ("{ item(id: 1) { ...F } } fragment F on Page { total }", None),
    ("{ now @skop(if: true) }", None),
    ("{ now @skip }", None),
    ("{ a: item(id: 1) { id } a: page { total } }", None),
    ("{ item(id: 1) { a: title a: created } }", None),
    ("query($v: String) { item(id: $v) { id } }", None),
    ("query($v: TextInput) { search(input: $v) { id } }", None),
    ("query($v: Color) { search(color: $v) { id } }", {"v": "GREE"}),
    ("query($v: ItemInput) { search(input: $v) { id } }", {"v": {"ttle": 1}}),
    ("query($v: ItemInput) { search(input: $v) { id } }", {"v": {"id": "1", "text": {"bdy": 1, "length": None}}}),
    ("query($v: ItemInput) { search(input: $v) { id } }", {"v": {"id": "1", "texts": [{"length": "x"}]}}),
    ("query($v: ItemInput) { search(input: $v) { id } }", {"v": {"id": "1", "matrix": 1.5}}),
    ("query($v: Choice!) { choose(choice: $v) { id } }", {"v": {}}),
    ("query($v: ItemInput!) { search(input: $v) { id } }", None),
    ("query($v: Int64) { search(since: $v) { id } }", {"v": "x"}),
    ("query($must: String) { search(input: {id: 1, must: $must}) { id } }", {"must": None}),
    ("{ nothing(a: 1, b: 2) { c } }", None),
    (get_introspection_query(), None),
    ('{ __type(name: "Item") { fields { name } } }', None),
    ("mutation { creat }", None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "variables"), SUGGESTING)
def test_no_message_has_a_name_that_the_client_did_not_send(text: str, variables: Mapping[str, object] | None) -> None:
    open_engine = Engine(SCHEMA)
    assert messages(open_engine, text, variables) or "__" in text
    sent = set(re.findall(r"\w+", f"{text} {variables}"))
    for message in messages(ENGINE, text, variables):
        assert not set(re.findall(r"\w+", message)) & (NAMES | MEMBERS) - sent, message
        assert "Did you mean" not in message
    assert messages(ENGINE, text, variables)


def test_typename_works_without_introspection() -> None:
    for _ in range(2):
        result = asyncio.run(ENGINE.prepare("{ __typename }", None).execute(None, Calls(Outcomes())))
        assert result.data == {"__typename": "Query"}


def test_messages_have_suggestions_if_introspection_is_on() -> None:
    assert "Did you mean" in messages(Engine(SCHEMA), "{ stream colours }")[1]


@settings(max_examples=300, deadline=None, database=None)
@given(random=st.randoms(use_true_random=True), data=st.data())
def test_generated_documents_with_misspelled_names_reveal_nothing(random: object, data: st.DataObject) -> None:
    case = Generator(CORE, random, wrong=1.0).case()  # type: ignore[arg-type]
    names = sorted(set(re.findall(r"[A-Za-z]{3,}", case.text)))
    wrong = data.draw(st.sampled_from(names))
    text = re.sub(rf"\b{wrong}\b", wrong[:-1], case.text)
    sent = set(re.findall(r"\w+", f"{text} {case.variables}"))
    for message in messages(ENGINE, text, case.variables):
        assert not set(re.findall(r"\w+", message)) & (NAMES | MEMBERS) - sent, message
