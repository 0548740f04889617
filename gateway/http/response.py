"""Builds the HTTP response to a GraphQL request: GraphQL over HTTP, "Response"."""

from typing import cast

import msgspec

from gateway.engine import DocumentError, Result
from gateway.errors import Outcome
from gateway.http.accept import GRAPHQL_RESPONSE, JSON
from gateway.http.request import Refusal

_encode = msgspec.json.Encoder().encode

_COMMON_HEADERS = [(b"cache-control", b"no-store"), (b"vary", b"Accept"), (b"x-content-type-options", b"nosniff")]
_HEADERS = {
    media_type: [(b"content-type", f"{media_type}; charset=utf-8".encode()), *_COMMON_HEADERS]
    for media_type in (JSON, GRAPHQL_RESPONSE)
}


class Answer(msgspec.Struct, frozen=True):
    """An HTTP response, ready to send."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


def not_applied(errors: list[dict[str, object]]) -> list[dict[str, object]]:
    """Return the errors of a request that ran nothing, with `NOT_APPLIED` in each that has no outcome."""
    return [{**error, "extensions": _with_outcome(error["extensions"])} for error in errors]


def _with_outcome(extensions: object) -> dict[str, object]:
    known = cast("dict[str, object]", extensions)
    return {**known, "outcome": known.get("outcome", Outcome.NOT_APPLIED.value)}


def answer(outcome: Result | DocumentError | Refusal, media_type: str, errors: list[dict[str, object]]) -> Answer:
    """Return the response to an outcome, which shows `errors` as its errors.

    | outcome | `application/graphql-response+json` | `application/json` | `data` |
    |---|---|---|---|
    | executed, with or without errors | 200 | 200 | yes |
    | not executed: document, operation, variables | 400 | 200 | no |
    | refused by the endpoint | as refused | as refused | no |
    """
    headers = _HEADERS[media_type]
    content: dict[str, object]
    match outcome:
        case Result(executed=True, errors=[]):
            status, content = 200, {"data": outcome.data}
        case Result(executed=True):
            status, content = 200, {"errors": errors, "data": outcome.data}
        case Refusal():
            status, content = outcome.status, {"errors": errors}
            headers = [*headers, *outcome.headers]
        case _:
            status, content = 400 if media_type == GRAPHQL_RESPONSE else 200, {"errors": errors}
    body = _encode(content)
    return Answer(status, [*headers, (b"content-length", b"%d" % len(body))], body)
