"""What each transport failure means for a call: whether it was sent, its error code, and whether it is retried."""

import asyncio

import httpx
import pytest
from support.gateway import TOKEN
from support.waiting import LIMIT

from gateway.errors import ErrorCode, Outcome
from gateway.invitations import Caller, InvitationsClient, InvitationsError, InvitationV2Body
from gateway.invitations.rest import Call, RestClient


class Failing(httpx.AsyncBaseTransport):
    """Fail each request in the same way, or return the same response."""

    def __init__(self, error: type[httpx.TransportError] | None = None, status: int = 200) -> None:
        self.requests = 0
        self._error = error
        self._status = status

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests += 1
        if self._error is not None:
            raise self._error("on purpose", request=request)
        return httpx.Response(self._status, content=b"{}")


def failure(transport: Failing, method: str) -> InvitationsError:
    async def main() -> None:
        call = Call(method, "/x", Caller(TOKEN.encode()), asyncio.get_running_loop().time() + LIMIT)
        await RestClient(transport, url="http://127.0.0.1:1").send(call, lambda answer: answer.content)

    with pytest.raises(InvitationsError) as raised:
        asyncio.run(main())
    return raised.value


NOT_SENT, MAYBE_SENT = (Outcome.NOT_APPLIED, False), (Outcome.UNKNOWN, True)
UNAVAILABLE, LATE = ErrorCode.UPSTREAM_UNAVAILABLE, ErrorCode.UPSTREAM_TIMEOUT
UNUSABLE = ErrorCode.UPSTREAM_INVALID_RESPONSE
MEANINGS: dict[type[httpx.TransportError], tuple[tuple[Outcome, bool], ErrorCode, int, int]] = {
    # the outcome, the code, the tries of an unsafe method, the tries of a safe one
    httpx.ConnectError: (NOT_SENT, UNAVAILABLE, 3, 3),
    httpx.ConnectTimeout: (NOT_SENT, LATE, 3, 3),
    httpx.PoolTimeout: (NOT_SENT, LATE, 1, 1),
    httpx.LocalProtocolError: (NOT_SENT, UNUSABLE, 1, 1),
    httpx.UnsupportedProtocol: (NOT_SENT, UNUSABLE, 1, 1),
    httpx.ReadError: (MAYBE_SENT, UNAVAILABLE, 1, 3),
    httpx.WriteError: (MAYBE_SENT, UNAVAILABLE, 1, 3),
    httpx.ReadTimeout: (MAYBE_SENT, LATE, 1, 1),
    httpx.WriteTimeout: (MAYBE_SENT, LATE, 1, 1),
    httpx.RemoteProtocolError: (MAYBE_SENT, UNUSABLE, 1, 1),
    httpx.CloseError: (MAYBE_SENT, UNUSABLE, 1, 1),
    httpx.ProxyError: (MAYBE_SENT, UNUSABLE, 1, 1),
}


@pytest.mark.parametrize("method", ["POST", "PATCH", "GET", "HEAD"])
@pytest.mark.parametrize("error", MEANINGS, ids=lambda error: error.__name__)
def test_a_failure_says_whether_the_request_was_sent_and_is_retried_only_if_that_is_safe(
    error: type[httpx.TransportError], method: str
) -> None:
    became, code, unsafe, safe = MEANINGS[error]
    transport = Failing(error)
    raised = failure(transport, method)
    assert (raised.outcome, raised.sent) == became
    assert raised.code == code
    assert ("clientRequestId" in raised.extensions) is raised.sent
    assert transport.requests == (safe if method in ("GET", "HEAD") else unsafe)


@pytest.mark.parametrize("status", [101, 199])
def test_an_interim_response_is_not_a_success(status: int) -> None:
    raised = failure(Failing(status=status), "POST")
    assert (raised.code, raised.outcome) == (ErrorCode.UPSTREAM_ERROR, Outcome.UNKNOWN)


@pytest.mark.parametrize("authorization", [TOKEN.encode(), None], ids=["with a token", "without"])
def test_an_update_of_an_impossible_id_is_not_sent(authorization: bytes | None) -> None:
    async def main() -> None:
        client = InvitationsClient(transport, url="http://127.0.0.1:1", timeout=LIMIT)
        await client.for_caller(Caller(authorization)).update("..", InvitationV2Body(inviter="a"))

    transport = Failing()
    with pytest.raises(InvitationsError) as raised:
        asyncio.run(main())
    assert (raised.value.outcome, raised.value.sent) == NOT_SENT
    assert raised.value.code == (ErrorCode.NOT_FOUND if authorization else ErrorCode.UNAUTHENTICATED)
    assert transport.requests == 0


@pytest.mark.parametrize("id", ["", ".", "..", "\ud800"])
def test_a_token_is_required_even_for_an_impossible_id(id: str) -> None:
    async def main() -> None:
        client = InvitationsClient(transport, url="http://127.0.0.1:1", timeout=LIMIT)
        assert await client.for_caller(Caller(TOKEN.encode())).get(id) is None
        with pytest.raises(InvitationsError) as raised:
            await client.for_caller(Caller()).get(id)
        assert raised.value.code == ErrorCode.UNAUTHENTICATED

    transport = Failing()
    asyncio.run(main())
    assert transport.requests == 0
