import pytest

from gateway.server.pieces import MAX_CHUNKED_PIECE, Pieces

pytestmark = pytest.mark.quick


def taken(data: bytes, *, in_body: bool) -> list[bytes]:
    pieces = Pieces()
    pieces.add(data)
    found = []
    while pieces:
        found.append(pieces.take(between_requests=False, in_body=in_body))
    return found


def test_a_body_in_many_small_chunks_is_parsed_in_small_pieces() -> None:
    data = b"1\r\na\r\n" * MAX_CHUNKED_PIECE
    found = taken(data, in_body=True)
    assert b"".join(found) == data
    assert {len(piece) for piece in found} == {MAX_CHUNKED_PIECE}


def test_a_head_is_one_piece() -> None:
    head = b"GET / HTTP/1.1\r\nHost: x\r\nA: %b\r\n\r\n" % (b"a" * 2 * MAX_CHUNKED_PIECE)
    assert taken(head + head, in_body=False) == [head, head]
