"""Requests whose bytes could be read as a different request are refused."""

import httpx
import pytest
from support.transports import request_to

from gateway.transport.serialize import serialize

CONTROLS = [*range(9), *range(10, 32), 127]


def raw(name: bytes, value: bytes) -> httpx.Request:
    request = request_to("http://a.invalid")
    request.headers = httpx.Headers([*request.headers.raw, (name, value)])
    return request


@pytest.mark.parametrize("control", CONTROLS)
def test_control_characters_are_refused_in_headers_and_targets(control: int) -> None:
    for request in (
        raw(b"X", b"a" + bytes([control]) + b"b"),
        raw(b"X" + bytes([control]), b"a"),
        request_to("http://a.invalid", target=f"/a{chr(control)}b"),
    ):
        with pytest.raises(httpx.LocalProtocolError):
            serialize(request)


def test_other_characters_are_sent_unchanged_in_headers() -> None:
    value = bytes([9, *range(32, 127), *range(128, 256)])
    assert b"\r\nX: a" + value + b"b\r\n" in serialize(raw(b"X", b"a" + value + b"b"))


@pytest.mark.parametrize("name", [b"", b"X Y", b"X:", b"X(", "Ä".encode(), b"X\t"])
def test_a_header_name_that_is_not_a_token_is_refused(name: bytes) -> None:
    with pytest.raises(httpx.LocalProtocolError):
        serialize(raw(name, b"a"))


def test_the_punctuation_of_tokens_is_allowed_in_header_names() -> None:
    assert b"\r\nX!#$%&'*+-.^_`|~9: a\r\n" in serialize(raw(b"X!#$%&'*+-.^_`|~9", b"a"))


@pytest.mark.parametrize("target", ["a", "*", "a:443", "//b c", "/ü", "/\x80"])
def test_a_target_that_is_not_a_path_is_refused(target: str) -> None:
    with pytest.raises(httpx.LocalProtocolError):
        serialize(request_to("http://a.invalid", target=target))


@pytest.mark.parametrize("method", ["", "G\u0395T", "GET ", "G-T", "G\r\nT"])
def test_a_method_that_is_not_a_word_is_refused(method: str) -> None:
    request = request_to("http://a.invalid")
    request.method = method
    with pytest.raises(httpx.LocalProtocolError):
        serialize(request)


@pytest.mark.parametrize(("name", "value"), [(b"Content-Length", b"14"), (b"CONTENT-LENGTH", b"14"), (b"Host", b"b")])
def test_headers_that_must_be_unique_are_refused_twice(name: bytes, value: bytes) -> None:
    with pytest.raises(httpx.LocalProtocolError):
        serialize(raw(name, value))


@pytest.mark.parametrize("length", [b"13", b"15", b"014", b"+14", b" 14", b"14, 14"])
def test_a_content_length_other_than_the_length_of_the_body_is_refused(length: bytes) -> None:
    request = request_to("http://a.invalid")
    request.headers = httpx.Headers([(b"Host", b"a.invalid"), (b"Content-Length", length)])
    with pytest.raises(httpx.LocalProtocolError):
        serialize(request)
