"""Tell schemathesis how to write an Int64, and which responses are bugs."""

import schemathesis
from hypothesis import strategies as st
from hypothesis_graphql import nodes

from gateway.invitations import INT64_MAX, INT64_MIN

_integers = st.integers(INT64_MIN, INT64_MAX)
INT64 = _integers.map(nodes.Int) | _integers.map(str).map(nodes.String)

schemathesis.graphql.scalar("Int64", INT64)


@schemathesis.check
def no_bug_of_ours(_: object, response: schemathesis.Response, __: object) -> None:
    """Fail on a 5xx or an INTERNAL_SERVER_ERROR.

    Schemathesis' own `not_a_server_error` also counts a refusal by the REST API, such as NOT_FOUND, as a bug.
    """
    codes = {error["extensions"]["code"] for error in response.json().get("errors", ())}
    assert response.status_code < 500, response.text
    assert "INTERNAL_SERVER_ERROR" not in codes, response.text
