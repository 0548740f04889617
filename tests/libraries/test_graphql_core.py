"""The undocumented behaviour of graphql-core that the engine relies on."""

import re
from collections.abc import Callable

import pytest
from graphql import (
    DocumentNode,
    ExecutionResult,
    FieldNode,
    GraphQLError,
    GraphQLSyntaxError,
    Lexer,
    OverlappingFieldsCanBeMergedRule,
    Source,
    ValidationRule,
    ValuesOfCorrectTypeRule,
    VariableNode,
    build_schema,
    execute,
    parse,
    specified_rules,
    validate,
)

from gateway.engine.graphql_internals import (
    LEXICAL,
    LEXICAL_IN_DOUBT,
    SUGGESTION,
    LocatedValues,
    bounded_merge_rule,
    has_too_many_tokens,
    is_aborted,
    parse_document,
    unlink_tokens,
)

SCHEMA = build_schema(
    "type Query { item(id: ID, ids: [ID]): Query, colour: Int, argument(id: Int!): Int, resolver: Int }"
)


def errors(text: str, *rules: type[ValidationRule]) -> list[GraphQLError]:
    return validate(SCHEMA, parse(text), rules)


def syntax_error(text: str, max_tokens: int | None = None) -> GraphQLError:
    with pytest.raises(GraphQLSyntaxError) as caught:
        parse(text, max_lexical_tokens=max_tokens)
    return caught.value


def test_graphql_core_applies_the_two_rules_that_the_engine_replaces() -> None:
    assert {OverlappingFieldsCanBeMergedRule, ValuesOfCorrectTypeRule} <= set(specified_rules)


@pytest.mark.parametrize("text", ["{ a #b\n c }", "{ a", '{ a(b: "', "{ a b }" * 3, "{ a" * 4_000, ""])
def test_a_document_is_parsed_as_by_graphql_core_and_its_tokens_do_not_refer_back(text: str) -> None:
    def outcome(parsing: Callable[[], DocumentNode]) -> object:
        try:
            return parsing()
        except GraphQLSyntaxError as error:
            return error.formatted

    assert outcome(lambda: parse_document(text, 9_000)) == outcome(lambda: parse(text, max_lexical_tokens=9_000))
    assert outcome(lambda: parse_document(text, 5)) == outcome(lambda: parse(text, max_lexical_tokens=5))
    lexer = Lexer(Source("{ a #b\n c }"))
    lexer.advance()
    lexer.lookahead()
    unlink_tokens(lexer)
    assert lexer.token.next
    assert not lexer.token.prev
    assert not lexer.token.next.prev


def test_too_many_tokens_can_be_told_from_other_syntax_errors() -> None:
    assert has_too_many_tokens(syntax_error("{ a b }", 3), 3)
    assert not has_too_many_tokens(syntax_error("{ a b", 9), 9)


def test_comparing_fields_stops_at_the_budget_with_an_error_of_its_own() -> None:
    text = "{ " + "colour " * 20 + "}"
    assert errors(text, bounded_merge_rule(100_000)) == []
    (error,) = errors(text, bounded_merge_rule(10))
    assert is_aborted(error)
    (error,) = errors("{ a: colour a: item { colour } }", bounded_merge_rule(100))
    assert not is_aborted(error)


def test_the_engine_adds_the_location_of_an_invalid_literal() -> None:
    text = "{ item(ids: [1, [2]]) { colour } }"
    (unlocated,) = errors(text, ValuesOfCorrectTypeRule)
    assert not unlocated.locations, "graphql-core now adds the location: remove our own rule"
    (error,) = errors(text, LocatedValues)
    assert error.message == unlocated.message
    assert [(it.line, it.column) for it in error.locations or ()] == [(1, 17)]


def test_graphql_core_hides_all_suggestions_but_one_which_its_wording_identifies() -> None:
    (error,) = validate(SCHEMA, parse("{ color }"))
    assert SUGGESTION.sub("", error.message) == "Cannot query field 'color' on type 'Query'."
    (error,) = validate(SCHEMA, parse("{ item }"), hide_suggestions=True)
    assert "Did you mean 'item { ... }'?" in error.message
    assert "Did you mean" not in SUGGESTION.sub("", error.message)


@pytest.mark.parametrize(
    ("text", "hidden", "message"),
    [
        ('{ item(id: 1 "secret") }', LEXICAL, "Syntax Error: Expected Name, found String."),
        ('{ item(id: 1 """secret""") }', LEXICAL, "Syntax Error: Expected Name, found BlockString."),
        (r'{ item(id: "secret\u00") }', LEXICAL, "Syntax Error: Invalid Unicode escape sequence."),
        ('{ item(id: "a") } secret', LEXICAL_IN_DOUBT, "Syntax Error: Unexpected Name."),
        ('{ item(id: "a"123) }', LEXICAL_IN_DOUBT, "Syntax Error: Expected Name, found Int."),
        ('{ item(id: "a"?) }', LEXICAL_IN_DOUBT, "Syntax Error: Unexpected character."),
    ],
)
def test_the_text_that_a_syntax_error_quotes_is_truncated(text: str, hidden: re.Pattern[str], message: str) -> None:
    error = syntax_error(text)
    assert hidden.sub(r"\1.", error.message) == message


def test_an_argument_error_points_to_the_argument_and_a_resolver_error_to_the_field() -> None:
    text = "query($id: Int = 1) { argument(id: $id) resolver }"
    result = execute(SCHEMA, parse(text), {"resolver": lambda _: 1 / 0}, variable_values={"id": None})
    assert isinstance(result, ExecutionResult)
    kinds = [[type(node) for node in error.nodes or ()] for error in result.errors or ()]
    assert kinds == [[VariableNode], [FieldNode]]
