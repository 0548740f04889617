"""How much of an error's body is read, and which of its ids is shown."""

import json
from typing import Any

import pytest

from gateway.invitations.graph_error import GraphError, read_graph_error


def nested(depth: int) -> bytes:
    error: dict[str, Any] = {}
    for number in range(depth, 0, -1):
        error = {"code": f"c{number}", "innerError": error}
    return json.dumps({"error": error}).encode()


@pytest.mark.parametrize(("depth", "code"), [(1, "c1"), (15, "c15"), (16, "c16"), (17, "c16"), (100, "c16")])
def test_sixteen_nested_errors_are_read(depth: int, code: str) -> None:
    assert read_graph_error(nested(depth)).code == code


@pytest.mark.parametrize(("size", "code"), [(100_000, "known"), (100_001, None)])
def test_a_body_of_more_than_a_hundred_thousand_bytes_is_not_parsed(size: int, code: str | None) -> None:
    body = b'{"error": {"code": "known"}}'
    assert read_graph_error(body + b" " * (size - len(body))).code == code


@pytest.mark.parametrize("name", ["innerError", "innererror"])
def test_the_ids_come_from_the_outermost_error_that_has_them_and_the_code_from_the_innermost(name: str) -> None:
    ids = {"request-id": "outer", "client-request-id": "ours"}
    inner = {"code": "inner", "request-id": "i", "client-request-id": "j", name: {"date": "x"}}
    expected = GraphError("inner", "outer", "ours")
    assert read_graph_error(json.dumps({"error": {"code": "a", **ids, name: inner}}).encode()) == expected
    assert read_graph_error(json.dumps({"error": {"code": "a", name: {**inner, **ids}}}).encode()) == expected


@pytest.mark.parametrize("word", ["a:b", "a/b", "a b", "a@b", "ä", "", "x" * 129, 1, None, ["a"]])
def test_only_short_plain_words_are_shown(word: object) -> None:
    error = {"code": word, "request-id": word, "client-request-id": word}
    assert read_graph_error(json.dumps({"error": error}).encode()) == GraphError()
