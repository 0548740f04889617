"""No message repeats a string from the client, wherever it appears."""

import asyncio
import json
import logging
from collections.abc import Mapping

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.engine_schema import Calls, Outcomes, create_schema

from gateway.engine import DocumentError, Engine
from gateway.engine.redact import Redactor, SchemaNames
from gateway.engine.strawberry_internals import core_schema

SECRET = "SECRET"
SCHEMA = create_schema()
CORE = core_schema(SCHEMA)
ENGINES = [Engine(SCHEMA), Engine(SCHEMA, introspection=False)]
PLACES = [
    "{ item(id: %s, wrong: 1) { id } }",
    "{ item(id: {a: %s}) { id } }",
    "{ item(id: [%s]) { id } }",
    "{ page(first: %s) { total } }",
    "{ page(first: [1, %s]) { total } }",
    "{ search(color: %s) { id } }",
    "{ search(since: %s) { id } }",
    "{ search(flag: %s) { id } }",
    "{ search(input: %s) { id } }",
    "{ search(input: {title: %s}) { id } }",
    "{ search(input: {id: 1, unknown: %s}) { id } }",
    "{ search(input: {id: 1, texts: [{body: [[%s]]}]}) { id } }",
    "{ search(input: {id: 1, extra: {a: [%s]}, score: %s}) { id } }",
    "{ search(scores: [%s, {b: %s}]) { id } }",
    "{ choose(choice: {name: %s, number: 1}) { id } }",
    "query($v: Int = %s) { page(first: $v) { total } }",
    "query($v: ItemInput = {id: %s, hot: %s}) { search(input: $v) { id } }",
    "query($v: [Int64!] = [1, %s]) { search(deep: [$v]) { id } }",
    "{ now @include(if: %s) }",
    "{ now @unknown(a: %s) }",
    "{ a: item(id: %s) { id } a: item(id: 1) { id } }",
    "{ item(id: %s) { nothing } }",
    "query %s { now }",
    "{ now(%s: 1) }",
    "{ item(id: %s %s) { id } }",
    "{ item(id: %s",
    "%s { now }",
    "{ %s }",
    "fragment F on %s { now }",
    "query($v: %s) { now }",
    "subscription { a(b: %s) }",
    "{ item(id: 1) @a(b: %s",
    "extend schema @a(b: %s)",
]
PLACES_OF_VARIABLES = [
    ("query($v: Int) { page(first: $v) { total } }", "first"),
    ("query($v: [Int]) { page(first: 1) @include(if: $v) { total } }", "mistyped"),
    ("query($v: ItemInput!) { search(input: $v) { id } }", "input"),
    ("query($v: [ItemInput!]!) { search(inputs: $v) { id } }", "inputs"),
    ("query($v: Color) { search(color: $v) { id } }", "color"),
    ("query($v: Int64) { search(since: $v) { id } }", "since"),
    ("query($v: Boolean!) { search(flag: $v) { id } }", "flag"),
    ("query($v: [Float]) { search(scores: $v) { id } }", "scores"),
    ("query($v: [[Int64!]!]) { search(deep: $v) { id } }", "deep"),
    ("query($v: TextInput) { search(maybe: $v) { id } }", "maybe"),
    ("query($v: Choice!) { choose(choice: $v) { id } }", "choice"),
    ("query($v: ID!) { item(id: $v) { id } }", "id"),
]
# The marker is repeated throughout the text, so that any part of it would be noticed.
texts = st.lists(
    st.one_of(st.text(max_size=30), st.sampled_from(["'", '"', "\\", "\n", "\\u", "#", "{", "...", "x" * 200])),
    max_size=4,
).map(lambda parts: f"{SECRET}" + "".join(f"{part}{SECRET}" for part in parts))


def literal(text: str, style: str) -> str:
    match style:
        case "block":
            return '"""' + text.replace('"""', '\\"""').replace("\\", " ") + '"""'
        case "escaped":
            return '"' + "".join(f"\\u{ord(char):04x}" if ord(char) < 0x10000 else char for char in text) + '"'
        case "unterminated":
            return '"' + text.replace('"', "")
        case "badly escaped":
            return json.dumps(text).replace("S", "\\S", 1)
    return json.dumps(text, ensure_ascii=False)


STYLES = ["plain", "block", "escaped", "unterminated", "badly escaped"]


def messages(engine: Engine, text: str, variables: Mapping[str, object] | None = None) -> list[str]:
    found: list[str] = []
    for _ in range(3):
        try:
            result = asyncio.run(engine.prepare(text, None).execute(variables, Calls(Outcomes())))
        except DocumentError as error:
            found += [json.dumps(it) for it in error.errors]
        else:
            found += [json.dumps(it) for it in result.errors]
    return found


@settings(max_examples=1500, deadline=None, database=None)
@given(place=st.sampled_from(PLACES), style=st.sampled_from(STYLES), text=texts, engine=st.sampled_from(ENGINES))
@example(place=PLACES[0], style="plain", text=SECRET, engine=ENGINES[0])
def test_no_message_repeats_a_string_of_the_document(place: str, style: str, text: str, engine: Engine) -> None:
    document = place.replace("%s", literal(text, style))
    assert not [message for message in messages(engine, document) if SECRET in message], document


BROKEN = [
    '"the "SECRET" word"',
    '"the" SECRET',
    '"the" other SECRET words',
    '"a": "SECRET',
    '"a", 12SECRET',
    '"a" SECRET: 1',
]


@pytest.mark.parametrize("broken", BROKEN)
def test_a_word_between_unescaped_quotation_marks_is_not_repeated(broken: str) -> None:
    for place in ("{ item(id: %s) { id } }", "{ search(input: {id: 1, title: %s}) { id } }"):
        found = messages(ENGINES[0], place.replace("%s", broken))
        assert found
        assert not [message for message in found if SECRET in message and "Syntax Error" in message]


json_values = st.recursive(
    st.one_of(texts, st.just(SECRET), st.integers(-(2**70), 2**70), st.floats(), st.booleans(), st.none()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=12),
        st.dictionaries(st.sampled_from(["id", "title", "text", "body", "texts", "hot", "extra", "a", "b c"]), inner),
    ),
    max_leaves=8,
)


@settings(max_examples=1500, deadline=None, database=None)
@given(place=st.sampled_from(PLACES_OF_VARIABLES), value=json_values, engine=st.sampled_from(ENGINES))
def test_no_message_repeats_a_string_of_the_variables(place: tuple[str, str], value: object, engine: Engine) -> None:
    assert not [message for message in messages(engine, place[0], {"v": value}) if SECRET in message]


def test_an_invalid_name_in_the_keys_of_variables_is_hidden() -> None:
    (error, *_) = messages(ENGINES[0], PLACES_OF_VARIABLES[2][0], {"v": {"id": "1", f"{SECRET} text": 1}})
    assert "unknown field" in error
    assert SECRET not in error


def test_a_refused_document_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for style in STYLES:
        for place in PLACES:
            messages(ENGINES[0], place.replace("%s", literal(SECRET, style)))
    assert SECRET not in caplog.text


@pytest.mark.parametrize(
    ("text", "variables", "expected"),
    [
        (
            '{ search(input: {id: "a", extra: 5, hot: true, tags: [RED, "b"], wrong: 1}) { id } }',
            None,
            r"found: { id: \"\u2026\", extra: 5, hot: true, tags: [RED, \"\u2026\"], wrong: 1 }.",
        ),
        (
            "query($v: ItemInput!) { search(input: $v) { id } }",
            {"v": {"id": "a", "text": {"body": 1}}},
            "Variable '$v' has invalid value at .text.body: String cannot represent a non string value: 1",
        ),
        ('{ now "x" }', None, "Syntax Error: Expected Name, found String."),
        ("{ now : }", None, "Syntax Error: Expected Name, found '}'."),
        ("{ now now: 1 }", None, "Syntax Error: Expected Name, found Int '1'."),
    ],
)
def test_messages_keep_numbers_booleans_and_names(
    text: str, variables: Mapping[str, object] | None, expected: str
) -> None:
    assert any(expected in message for message in messages(ENGINES[0], text, variables))


def test_redacting_a_short_string_does_not_break_up_words() -> None:
    names = SchemaNames(CORE, introspection=True)
    redact = Redactor('{ a(b: "in") }', {"v": "hi"}, 100, names)
    assert redact("Invalid 'hi' in this 'which'") == "Invalid \"…\" in this 'which'"


def test_the_length_of_a_message_is_limited() -> None:
    (message, *_) = messages(ENGINES[0], f"{{ search(flag: [{'1 ' * 900}]) {{ id }} }}")
    assert "Boolean cannot represent" in message
    assert len(message) < 800
