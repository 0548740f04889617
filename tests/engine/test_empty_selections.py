"""An empty selection set is a syntax error, as the GraphQL specification says."""

from typing import cast

import pytest

from gateway.engine import DocumentError, Engine
from gateway.schema import create_schema

pytestmark = pytest.mark.quick

ENGINE = Engine(create_schema())
CREATE = 'createInvitation(input: {inviter: "a", invitee: "b", message: {}})'
EMPTY = {
    "an operation": "{ ^}",
    "a mutation": "mutation M { ^}",
    "a field": f"mutation {{ {CREATE} {{ ^}} }}",
    "a field below": "{ invitation(id: 1) { message { ^} } }",
    "an inline fragment": "{ ... { ^} }",
    "an inline fragment on a type": "{ ... on Query @skip(if: true) { ^} __typename }",
    "a fragment": "{ ...F } fragment F on Query { ^}",
    "a fragment that is not used": "{ __typename } fragment F on Query { ^}",
    "an operation that is not chosen": "query A { __typename } mutation B { ^}",
    "a leaf": "{ __typename { ^} }",
    "with a comment": "{ # nothing\n^}",
    "the first of several": "{ invitation(id: 1) { ^} ... { } }",
    "arguments": "{ invitation(^) { id } }",
    "variables": "query (^) { __typename }",
    "arguments of a directive": "{ __typename @skip(^) }",
    "a document": "^",
}


@pytest.mark.parametrize("marked", EMPTY.values(), ids=EMPTY)
def test_empty_braces_are_a_syntax_error_located_at_their_end(marked: str) -> None:
    text = marked.replace("^", "")
    before = marked[: marked.index("^")]
    with pytest.raises(DocumentError) as caught:
        ENGINE.prepare(text, "A" if "query A" in text else None)
    (error,) = caught.value.errors
    assert str(error["message"]).startswith("Syntax Error: ")
    assert cast("dict[str, object]", error["extensions"])["code"] == "GRAPHQL_PARSE_FAILED"
    line = before.count("\n") + 1
    assert error["locations"] == [{"line": line, "column": len(before.rpartition("\n")[2]) + 1}]
    if text[len(before) :].startswith("}"):
        assert error["message"] == "Syntax Error: Expected Name, found '}'."


def test_an_empty_object_is_allowed() -> None:
    assert ENGINE.prepare(f"mutation {{ {CREATE} {{ id }} }}", None).kind == "mutation"
