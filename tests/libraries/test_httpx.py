"""The undocumented behaviour of httpx that the transport relies on."""

import asyncio

import httpx
import pytest

from gateway.transport import Request, Response
from gateway.transport.serialize import serialize

URL = httpx.URL("https://example.com/a")
FIELDS = [(b"Host", b"example.com"), (b"A", b"1"), (b"a", b"2"), (b"Content-Length", b"2")]


def request() -> Request:
    return Request("POST", URL, FIELDS, b"{}", {"timeout": {"read": 1.0}})


def response(status: int = 200) -> Response:
    return Response(
        status, [(b"Content-Type", b"application/json"), (b"A", b"1"), (b"a", b"2")], b'{"b":3}', lambda: None
    )


def test_a_request_made_without_the_constructor_equals_httpxs_own() -> None:
    made, usual = request(), httpx.Request("POST", URL, headers=FIELDS, content=b"{}")
    assert serialize(made) == serialize(usual)
    assert (made.method, made.url, made.read()) == (usual.method, usual.url, usual.read())
    assert made.extensions["timeout"] == {"read": 1.0}


def test_unindexed_headers_of_a_request_can_be_looked_up_as_usual() -> None:
    for look_up in (
        lambda headers: headers["A"],
        lambda headers: headers.get_list("a"),
        list,
        lambda headers: "host" in headers,
        len,
        dict,
        lambda headers: headers == httpx.Headers(FIELDS),
        lambda headers: headers.multi_items(),
        lambda headers: headers.copy().raw,
        lambda headers: headers.raw,
    ):
        assert look_up(request().headers) == look_up(httpx.Headers(FIELDS))


def test_a_request_can_be_sent_by_another_client() -> None:
    def handler(sent: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=[sent.headers["a"], sent.content.decode()])

    async def send() -> httpx.Response:
        return await httpx.MockTransport(handler).handle_async_request(request())

    assert asyncio.run(send()).json() == ["1, 2", "{}"]


def test_a_new_response_is_already_read_and_closed() -> None:
    made = response()
    assert made.is_closed
    assert made.is_stream_consumed
    assert (made.content, made.text, made.json()) == (b'{"b":3}', '{"b":3}', {"b": 3})
    assert asyncio.run(made.aread()) == made.read() == b'{"b":3}'
    asyncio.run(made.aclose())
    assert made.status_code == 200


def test_a_response_made_without_the_constructor_has_all_that_it_sets() -> None:
    assert vars(httpx.Response(200, stream=httpx.ByteStream(b""))).keys() - {"headers"} <= vars(response()).keys()


def test_the_headers_of_a_response_come_from_its_fields() -> None:
    assert response().headers["a"] == "1, 2"
    assert response().headers.get_list("a") == ["1", "2"]
    assert response().headers["content-type"] == "application/json"


def test_a_client_returns_our_response() -> None:
    class Transport(httpx.AsyncBaseTransport):
        async def handle_async_request(self, _: httpx.Request) -> httpx.Response:
            return response(404)

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=Transport()) as client:
            return await client.get(URL)

    answer = asyncio.run(ask())
    assert answer.json() == {"b": 3}
    with pytest.raises(httpx.HTTPStatusError):
        answer.raise_for_status()
