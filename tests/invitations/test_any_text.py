"""Properties that hold for any text as a cursor, an integer, an id or a response."""

import re
from contextlib import suppress
from urllib.parse import unquote

import httpx
import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.invitations import INT64_MAX, INT64_MIN, Position, parse_int64
from gateway.invitations.client import path_segment
from gateway.invitations.failures import answered
from gateway.invitations.graph_error import read_graph_error
from gateway.invitations.model import InvitationPage, InvitationV2, decode_invitation, decode_page

anything = settings(deadline=None, max_examples=300)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["id", "created", "lastModified", "message", "value", "error", "code", "innerError", "inviter"]
            )
            | st.text(max_size=5),
            inner,
            max_size=6,
        )
    ),
    max_leaves=20,
)


@anything
@given(st.from_regex(r"[!\"$-~]{1,200}", fullmatch=True), st.integers(0, 2**40))
def test_a_cursor_decodes_to_its_position(query: str, offset: int) -> None:
    cursor = Position(query, offset).cursor()
    assert Position.parse(cursor) == Position(query, offset)
    assert re.fullmatch(r"[A-Za-z0-9_-]+", cursor)


@anything
@given(st.text() | st.from_regex(r"[A-Za-z0-9_-]+={0,2}", fullmatch=True))
@example("")
@example("\ud800")
def test_a_text_is_a_cursor_or_refused_and_no_two_texts_have_the_same_position(text: str) -> None:
    try:
        position = Position.parse(text)
    except ValueError:
        return
    assert position.cursor() == text
    assert re.fullmatch(r"[!-~]+", position.query)


@anything
@given(st.integers(INT64_MIN * 2, INT64_MAX * 2))
@example(INT64_MIN)
@example(INT64_MAX)
@example(INT64_MIN - 1)
@example(INT64_MAX + 1)
def test_an_integer_is_read_within_64_bits(number: int) -> None:
    if INT64_MIN <= number <= INT64_MAX:
        assert parse_int64(str(number)) == number
    else:
        with pytest.raises(ValueError, match="64 bits"):
            parse_int64(str(number))


@anything
@given(st.text() | st.from_regex(r"[-+]?[0-9_ .eE]{1,25}", fullmatch=True))
def test_only_the_canonical_text_of_an_integer_is_read(text: str) -> None:
    try:
        number = parse_int64(text)
    except ValueError:
        return
    assert str(number) == text


@anything
@given(st.text())
@example("..")
@example("%2e%2E")
@example("a/../b")
def test_an_id_becomes_one_path_segment_or_is_refused(id: str) -> None:
    segment = path_segment(id)
    if segment is None:
        assert id in ("", ".", "..")
        return
    assert unquote(segment) == id
    assert re.fullmatch(r"[A-Za-z0-9_.~%-]+", segment)
    assert unquote(segment) not in (".", "..")
    assert httpx.URL("https://graph.example/a/").join(segment).raw_path == f"/a/{segment}".encode()


@anything
@given(JSON)
def test_a_response_is_an_invitation_or_refused(content: object) -> None:
    body = msgspec.json.encode(content)
    for decode, expected in ((decode_invitation, InvitationV2), (decode_page, InvitationPage)):
        with suppress(ValueError, RecursionError):
            assert isinstance(decode(body), expected)


@anything
@given(JSON, st.integers(300, 599), st.binary(max_size=50))
def test_an_error_shows_only_allowed_members(content: object, status: int, header: bytes) -> None:
    value = re.sub(rb"[^ -~]", b"", header)
    headers = [(name, value) for name in (b"retry-after", b"request-id", b"www-authenticate", b"x-other")]
    error = answered(httpx.Response(status, headers=headers), read_graph_error(msgspec.json.encode(content)), "ours")
    shown = {"code", "status", "upstreamCode", "requestId", "clientRequestId", "retryAfter", "claims"}
    assert set(error.extensions) <= shown
    for name in ("upstreamCode", "requestId"):
        assert re.fullmatch(r"[A-Za-z0-9_.\-]{1,128}", str(error.extensions.get(name, "x")))
