"""Every error of a mutation has an outcome; if a resolver sets none, the engine adds what is certain."""

import asyncio

import pytest
from support.engine_schema import Calls, Item, Outcomes, create_schema

from gateway.engine import Engine
from gateway.errors import ErrorCode, GatewayError, Outcome

pytestmark = pytest.mark.quick

ENGINE = Engine(create_schema())


class Failing(Outcomes):
    """Fail at the root or below it, with an error for the client."""

    def __init__(self, *, below: bool, outcome: Outcome | None) -> None:
        self._below = below
        self._error = GatewayError(ErrorCode.CONFLICT, "No.", status=409, outcome=outcome)

    def answer(self, call: str, name: str) -> object:
        del call, name
        if self._below:
            return Item(id="1", title=self)
        raise self._error

    def upper(self) -> str:
        raise self._error


@pytest.mark.parametrize(
    ("below", "said", "told"),
    [
        (False, None, "UNKNOWN"),
        (False, Outcome.NOT_APPLIED, "NOT_APPLIED"),
        (False, Outcome.APPLIED, "APPLIED"),
        (True, None, "APPLIED"),
    ],
)
def test_a_coded_error_of_a_mutation_has_an_outcome(below: bool, said: Outcome | None, told: str) -> None:
    failing = Failing(below=below, outcome=said)
    text = "mutation { update(id: 1) { shout } }"
    for _ in range(3):
        result = asyncio.run(ENGINE.prepare(text, None).execute(None, Calls(failing)))
        (error,) = result.errors
        assert error["message"] == "No."
        assert error["extensions"] == {"code": "CONFLICT", "status": 409, "outcome": told}


@pytest.mark.parametrize("below", [False, True])
def test_a_coded_error_of_a_query_has_no_outcome(below: bool) -> None:
    for _ in range(3):
        operation = ENGINE.prepare("{ item(id: 1) { shout } }", None)
        result = asyncio.run(operation.execute(None, Calls(Failing(below=below, outcome=None))))
        (error,) = result.errors
        assert error["extensions"] == {"code": "CONFLICT", "status": 409}
