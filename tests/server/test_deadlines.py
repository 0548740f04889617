"""Clients that stop in the middle of a request or of reading its response."""

import logging
import time
from collections.abc import Iterator

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send
from support.raw_http import RawConnection, request
from support.servers import serve_app
from support.waiting import LIMIT

from gateway.app import create_app
from gateway.server.protocol import HttpProtocol
from gateway.settings import Settings

BODY = b'{"query":"{ __typename }"}'
IS_JSON = b"Content-Type: application/json"
WHOLE = request(BODY)
LARGE = 16_000_000

PARTS = {
    "a head": WHOLE[:10],
    "a head but its last byte": WHOLE[: -len(BODY) - 1],
    "a body": WHOLE[:-10],
    "a body but its last byte": WHOLE[:-1],
    "a body in chunks": request(None, IS_JSON, b"Transfer-Encoding: chunked") + b"5\r\n12",
    "a body in chunks but its end": request(None, IS_JSON, b"Transfer-Encoding: chunked") + b"1\r\n1\r\n0\r\n",
}


class Impatient(HttpProtocol):
    REQUEST_TIME = 0.5


class CutsOff(HttpProtocol):
    WRITE_TIME = 0.5


class Slow(HttpProtocol):
    WRITE_TIME = 3.0


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Run a gateway with a request timeout of half a second."""
    app = create_app(Settings.model_validate({"upstream_url": "http://127.0.0.1:1/v1.0"}))
    with serve_app(app, http=Impatient) as url:
        yield int(url.rpartition(":")[2])


@pytest.mark.parametrize("before", [b"", WHOLE], ids=["the first", "a later one"])
@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
def test_a_request_that_stops_is_answered_with_408_and_the_connection_closed(
    part: bytes, before: bytes, port: int, caplog: pytest.LogCaptureFixture
) -> None:
    with RawConnection(port) as connection:
        if before:
            assert connection.ask(before).status == 200
        answer = connection.ask(part)
        assert (answer.status, answer.header("connection")) == (408, "close")
        assert connection.is_closed()
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_request_sent_byte_by_byte_gets_no_more_time(port: int) -> None:
    def drip(connection: RawConnection) -> None:
        for _ in range(int(LIMIT / 0.05)):
            connection.send(b" ")
            time.sleep(0.05)

    with RawConnection(port) as connection:
        connection.send(request(None, IS_JSON, b"Content-Length: 1000000"))
        with pytest.raises(ConnectionError):
            drip(connection)


@pytest.mark.parametrize("part", [b"", b"\r\n"])
def test_a_connection_without_a_request_is_closed(part: bytes, port: int) -> None:
    with RawConnection(port) as connection:
        connection.send(part)
        assert connection.is_closed()


def test_a_connection_that_is_idle_after_a_response_is_kept(port: int) -> None:
    with RawConnection(port) as connection:
        for _ in range(3):
            assert connection.ask(WHOLE).status == 200
            time.sleep(3 * Impatient.REQUEST_TIME)


def test_a_late_body_of_a_refused_request_is_read_and_the_connection_is_kept(port: int) -> None:
    with RawConnection(port) as connection:
        assert connection.ask(request(BODY, content_type=b"text/plain")[: -len(BODY)]).status == 415
        connection.send(BODY)
        time.sleep(3 * Impatient.REQUEST_TIME)
        assert connection.ask(WHOLE).status == 200


async def large(_: Scope, __: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % LARGE)]})
    await send({"type": "http.response.body", "body": b"x" * LARGE})


def _app(app: ASGIApp) -> ASGIApp:
    async def with_lifespan(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            for name in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{name}.complete"})
        else:
            await app(scope, receive, send)

    return with_lifespan


@pytest.mark.parametrize("header", [b"X-Nothing: x", b"Connection: close"])
def test_a_client_that_does_not_read_its_response_is_disconnected(header: bytes) -> None:
    with serve_app(_app(large), http=CutsOff) as url, small_window(url) as client:
        client.send(request(None, header, method=b"GET"))
        time.sleep(6 * CutsOff.WRITE_TIME)
        assert _read(client, pause=0) < LARGE


def test_a_client_that_reads_slowly_gets_its_response() -> None:
    with serve_app(_app(large), http=Slow) as url, small_window(url) as client:
        client.send(request(None, b"Connection: close", method=b"GET"))
        started = time.monotonic()
        assert _read(client, pause=0.1) > LARGE
        assert time.monotonic() - started > Slow.WRITE_TIME


def small_window(url: str) -> RawConnection:
    return RawConnection(int(url.rpartition(":")[2]), window=65_536)


def _read(client: RawConnection, *, pause: float) -> int:
    """Return the number of bytes read, pausing after each quarter of a megabyte."""
    came = quarters = 0
    try:
        while data := client.read():
            came += len(data)
            if came // 250_000 > quarters:
                quarters = came // 250_000
                time.sleep(pause)
    except ConnectionError:
        pass
    return came
