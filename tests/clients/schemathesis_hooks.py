"""What schemathesis has to know of the gateway: how an Int64 is written, and what is a bug of ours."""

import schemathesis
from hypothesis import strategies as st
from hypothesis_graphql import nodes

from gateway.invitations import INT64_MAX, INT64_MIN

_integers = st.integers(INT64_MIN, INT64_MAX)
INT64 = _integers.map(nodes.Int) | _integers.map(str).map(nodes.String)

schemathesis.graphql.scalar("Int64", INT64)


@schemathesis.check
def no_bug_of_ours(_: object, response: schemathesis.Response, __: object) -> None:
    """Fail for a 5xx or an INTERNAL_SERVER_ERROR.

    Schemathesis' own `not_a_server_error` also takes a refusal by the REST API, such as NOT_FOUND, for a bug.
    """
    codes = {error["extensions"]["code"] for error in response.json().get("errors", ())}
    assert response.status_code < 500, response.text
    assert "INTERNAL_SERVER_ERROR" not in codes, response.text
