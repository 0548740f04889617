"""Send generated cases to a running gateway from both sides, and check what must never happen.

    python -m reliability.fuzz [CASES]

The kinds of case share CASES (default: 100,000): bytes that may be HTTP, complete HTTP requests, GraphQL requests (with
and without introspection), values that become part of REST requests, and responses of the REST API. In no case may a
response be missing, be a 500 or reveal internals; the log contain a bug or a traceback; a mutation be sent twice; or a
response reach another request.
"""

import json
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from math import inf
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from reliability.fuzz_cases import (
    CORE,
    LEAK,
    GraphQL,
    HTTPRequest,
    graphql_requests,
    http_requests,
    raw_requests,
    upstream_cases,
    value_requests,
)
from reliability.fuzz_wire import COLLECTION, Call, Reply, Wire, bad_lines, post, wire
from support.raw_http import Answer

from gateway.errors import ErrorCode
from gateway.invitations.client import MAX_EMPTY_PAGES
from gateway.invitations.retries import MAX_TRIES

BATCH = 20
"""Number of cases that are drawn and sent together."""
RUNS = 3
"""Runs of each GraphQL request: the engine treats the first, the second and later ones differently."""
INSIDES = re.compile(rb"Traceback|\.py\b|site-packages|set_int_max|object at 0x|msgspec|graphql\.|" + LEAK.encode())
TARGET = re.compile(re.escape(COLLECTION) + r"(/[A-Za-z0-9\-._~%]+)?(\?[!-~]+)?")
HEADERS = {
    *("host", "accept", "accept-encoding", "user-agent", "authorization", "client-request-id"),
    *("content-type", "content-length"),
}
TYPES = {name for name in CORE.type_map if not name.startswith("__")} - {"Boolean", "Float", "ID", "Int", "String"}
MEMBERS = {name for type_ in CORE.type_map.values() for name in getattr(type_, "fields", {}) if type_.name in TYPES}

Seen = Iterable[str]
"""The results, to be counted: a run in which all cases are refused for one reason finds nothing."""
Check = Callable[[Wire, Sequence[Any]], Seen]


def check_raw(wire: Wire, cases: Sequence[bytes]) -> Seen:
    """Assert that any bytes cause no 500 and that the connection ends."""
    for case, came in zip(cases, wire.throw(cases), strict=True):
        statuses = re.findall(rb"HTTP/1\.[01] (\d{3})", came)
        assert max(statuses, default=b"") < b"500", (case, came)
        assert not INSIDES.search(came), (case, came)
        yield statuses[0].decode() if statuses else "nothing"
    wire.assert_alive()


def check_http(wire: Wire, cases: Sequence[HTTPRequest]) -> Seen:
    """Assert that a complete HTTP request gets exactly one response."""
    for case, answer in zip(cases, wire.exchange(list(map(bytes, cases)), fresh=True), strict=True):
        _look_at(case, answer)
        if case.path == "/graphql" and (answer.header("content-type") or "").startswith("application/"):
            _look_at_errors(case, answer)
        yield str(answer.status)


def check_graphql(wire: Wire, cases: Sequence[GraphQL]) -> Seen:
    """Assert that any document and variables are run, or refused with a code."""
    requests = [post(case.body(), b"Authorization: Bearer fuzz") for case in cases]
    for run in range(RUNS):
        for case, answer in zip(cases, wire.exchange(requests), strict=True):
            _look_at((run, case), answer)
            yield from _codes(_look_at_errors((run, case), answer))


def check_hidden(wire: Wire, cases: Sequence[GraphQL]) -> Seen:
    """Assert that without introspection, no message has a name of the schema that the client did not send."""
    requests = [post(case.body(), b"Authorization: Bearer fuzz") for case in cases]
    for _ in range(RUNS):
        for case, answer in zip(cases, wire.exchange(requests), strict=True):
            sent = set(re.findall(r"\w+", json.dumps(case.body())))
            errors = _look_at_errors(case, answer)
            for error in errors:
                named = set(re.findall(r"\w+", error["message"])) & TYPES
                named |= set(re.findall(r"\w+", " ".join(re.findall(r"'.*?'", error["message"])))) & MEMBERS
                assert named <= sent, (case, error)
                assert "Did you mean" not in error["message"], (case, error)
            yield from _codes(errors)


def check_values(wire: Wire, cases: Sequence[GraphQL]) -> Seen:
    """Assert that any ids, cursors and texts cause only well-formed REST requests to the collection."""
    wire.upstream.forget()
    for case, answer in zip(cases, _answers(wire, cases), strict=True):
        _look_at(case, answer)
        yield from _codes(_look_at_errors(case, answer))
    assert not wire.upstream.malformed, (cases, wire.upstream.malformed)
    for call in (call for calls in wire.upstream.calls.values() for call in calls):
        _look_at_call(call)
        yield call.method


def check_upstream(wire: Wire, cases: Sequence[tuple[GraphQL, Reply]]) -> Seen:
    """Assert that any REST response becomes data or an error with a code, and that no mutation is sent twice."""
    wire.upstream.forget()
    wire.upstream.replies = {_token(number): reply for number, (_, reply) in enumerate(cases)}
    answers = _answers(wire, [operation for operation, _ in cases])
    for number, (case, answer) in enumerate(zip(cases, answers, strict=True)):
        _look_at(case, answer)
        calls = wire.upstream.calls[_token(number)]
        is_mutation = str(case[0].query).startswith("mutation")
        errors = _look_at_errors(case, answer)
        for error in errors:
            assert LEAK not in json.dumps(error), (case, error)
            assert ("outcome" in error["extensions"]) is is_mutation, (case, error)
        sent = [call.method for call in calls if call.method != "GET"]
        refused = re.match(rb"HTTP/1\.[01] 429", case[1].data)
        # A list is sent again after a 429 until its time is over.
        most = inf if "inputs" in str(case[0].query) else MAX_TRIES
        assert len(sent) <= (most if refused else int(is_mutation)), (case, calls)
        assert len(calls) <= max(len(sent), MAX_TRIES * (1 + MAX_EMPTY_PAGES)), (case, calls)
        yield from _codes(errors)
    yield from _check_leftovers(wire, cases)


def _check_leftovers(wire: Wire, cases: Sequence[object]) -> Seen:
    """Read different ids on the same connections: nothing of earlier responses may appear.

    Some of these reads may fail: the upstream may have closed a connection after its response.
    """
    wire.upstream.forget()
    wire.upstream.replies = {_token(number): _named(f"again-{number}") for number in range(len(cases))}
    again = [GraphQL(f'{{ invitation(id: "again-{number}") {{ id }} }}') for number in range(len(cases))]
    for number, answer in enumerate(_answers(wire, again)):
        if not _look_at_errors(cases, answer):
            assert answer.json() == {"data": {"invitation": {"id": f"again-{number}"}}}, (cases, answer)
            yield "read again"


def _codes(errors: list[dict[str, Any]]) -> Seen:
    yield from {error["extensions"]["code"] for error in errors} or {"no error"}


def _named(id: str) -> Reply:
    body = json.dumps({"id": id}).encode()
    return Reply(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


def _token(number: int) -> str:
    return f"Bearer case-{number}"


def _answers(wire: Wire, cases: Sequence[GraphQL]) -> list[Answer]:
    """Send each request with its own token, by which the upstream tells them apart."""
    tokens = (b"Authorization: " + _token(number).encode() for number in range(len(cases)))
    return wire.exchange([post(case.body(), token) for case, token in zip(cases, tokens, strict=True)])


def _look_at(case: object, answer: Answer) -> None:
    assert answer.status < 500, (case, answer)
    assert answer.header("server") is None, (case, answer)
    if (answer.header("content-type") or "").startswith("application/"):
        assert answer.header("x-request-id"), (case, answer)
        assert answer.header("cache-control") == "no-store", (case, answer)


def _look_at_errors(case: object, answer: Answer) -> list[dict[str, Any]]:
    if not answer.body:
        return []
    content = answer.json()
    assert set(content) <= {"data", "errors"}, (case, answer)
    errors: list[dict[str, Any]] = content.get("errors", [])
    assert errors or "data" in content, (case, answer)
    for error in errors:
        assert set(error) <= {"message", "locations", "path", "extensions"}, (case, answer)
        assert 0 < len(error["message"]) <= 500, (case, answer)
        assert error["extensions"]["code"] in ErrorCode.__members__, (case, answer)
        assert error["extensions"]["code"] != "INTERNAL_SERVER_ERROR", (case, answer)
        assert not INSIDES.search(error["message"].encode("utf-8", "replace")), (case, answer)
    return errors


def _look_at_call(call: Call) -> None:
    assert call.method in {"GET", "POST", "PATCH"}, call
    assert TARGET.fullmatch(call.target), call
    assert not {"/..", "/."} & {call.target[-3:], call.target[-2:]}, call
    assert {name for name, _ in call.headers} <= HEADERS, call
    if call.body:
        assert json.loads(call.body)["@odata.type"] == "#microsoft.graph.InvitationV2", call


KINDS: dict[str, tuple[st.SearchStrategy[Any], Check]] = {
    "raw": (raw_requests, check_raw),
    "http": (http_requests, check_http),
    "graphql": (graphql_requests, check_graphql),
    "hidden": (graphql_requests, check_hidden),
    "values": (value_requests, check_values),
    "upstream": (upstream_cases, check_upstream),
}


def fuzz(kind: str, cases: int, *, derandomize: bool) -> Counter[str]:
    """Run this many cases of one kind; return how many there were and their results."""
    strategy, check = KINDS[kind]
    counted: Counter[str] = Counter()
    with wire(INTROSPECTION=str(kind != "hidden")) as gateway:

        @settings(
            max_examples=-(-cases // BATCH),
            derandomize=derandomize,
            database=None,
            deadline=None,
            phases=[Phase.explicit, Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )
        @given(st.tuples(*[strategy] * BATCH))
        def run(batch: tuple[Any, ...]) -> None:
            counted.update(check(gateway, batch))
            counted["cases"] += len(batch)
            counted["different"] += len(set(map(repr, batch)))

        run()
        gateway.assert_alive()
        gateway.gateway.command.stop()
    log = gateway.gateway.log()
    counted["lines of log"] = log.count("\n")
    assert not bad_lines(log), bad_lines(log)[:5]
    return counted


def main() -> None:
    """Run all kinds."""
    cases = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    seed = os.environ.get("FUZZ_DERANDOMIZE")
    total = 0
    for kind in KINDS:
        started = time.monotonic()
        counted = fuzz(kind, -(-cases // len(KINDS)), derandomize=bool(seed))
        total += counted["cases"]
        figures = ", ".join(f"{number:,} {name}" for name, number in counted.items())
        print(f"{kind:9} {figures}, {time.monotonic() - started:.0f} s", flush=True)
    print(f"{total:,} cases: no 500, no hang, no bug in the log")


if __name__ == "__main__":
    main()
