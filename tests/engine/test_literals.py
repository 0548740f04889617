"""An error in a literal has the literal's location."""

from typing import cast

import pytest

from gateway.engine import DocumentError, Engine
from gateway.schema import create_schema

pytestmark = pytest.mark.quick

ENGINE = Engine(create_schema())
OTHERS = 'inviter: "a", invitee: "b", message: {}'
PLACES = {
    "an ID": "{ invitation(id: %s) { id } }",
    "an ID in an object": 'mutation { updateInvitation(input: {id: %s, inviter: "a"}) { id } }',
    "an Int64 in an object": f"mutation {{ createInvitation(input: {{{OTHERS}, created: %s}}) {{ id }} }}",
    "a default of an ID": "query ($v: ID! = %s) { invitation(id: $v) { id } }",
    "a default of an Int64": (
        f"mutation ($v: Int64 = %s) {{ createInvitation(input: {{{OTHERS}, created: $v}}) {{ id }} }}"
    ),
}
WRONG = ["[]", "[1]", "{}", "{a: 1}", "1.5", "true", "RED"]
WRONG_INT64 = ['"x"', '"1.5"', '"-0"', "9223372036854775808"]


@pytest.mark.parametrize(
    ("place", "literal"),
    [(place, it) for place in PLACES for it in WRONG + (WRONG_INT64 if "Int64" in place else [])],
)
def test_an_error_in_a_literal_has_its_location(place: str, literal: str) -> None:
    text = PLACES[place] % literal
    with pytest.raises(DocumentError) as caught:
        ENGINE.prepare(text, None)
    (error,) = caught.value.errors
    column = PLACES[place].index("%s") + 1
    assert cast("dict[str, object]", error["extensions"])["code"] == "GRAPHQL_VALIDATION_FAILED"
    assert error["locations"] == [{"line": 1, "column": column}]


def test_an_error_in_a_list_has_the_location_of_its_item() -> None:
    text = "query ($v: [ID!] = [1, 2, {}]) { __typename }"
    with pytest.raises(DocumentError) as caught:
        ENGINE.prepare(text, None)
    located = [error["locations"] for error in caught.value.errors if "ID cannot" in str(error["message"])]
    assert located == [[{"line": 1, "column": text.index("{}") + 1}]]
