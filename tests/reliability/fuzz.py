"""Throw generated cases at a running gateway from both sides, and look for what must not happen.

    python -m reliability.fuzz [CASES]

CASES (100,000 unless said) are shared by five kinds: bytes that may be HTTP, whole HTTP requests, GraphQL requests,
values that go on into REST requests, and answers of the REST API. In none of them may an answer be missing, be a 500 or
tell of our insides; the log have a bug or a traceback in it; a mutation be sent twice; an answer reach another request.
"""

import json
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
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
"""Cases that are drawn and sent together."""
RUNS = 3
"""Of each GraphQL request: the engine treats the first, the second and later ones differently."""
INSIDES = re.compile(rb"Traceback|\.py\b|site-packages|set_int_max|object at 0x|msgspec|graphql\.|" + LEAK.encode())
TARGET = re.compile(re.escape(COLLECTION) + r"(/[A-Za-z0-9\-._~%]+)?(\?[!-~]+)?")
HEADERS = {
    *("host", "accept", "accept-encoding", "user-agent", "authorization", "client-request-id"),
    *("content-type", "content-length"),
}
TYPES = {name for name in CORE.type_map if not name.startswith("__")} - {"Boolean", "Float", "ID", "Int", "String"}
MEMBERS = {name for type_ in CORE.type_map.values() for name in getattr(type_, "fields", {}) if type_.name in TYPES}

Seen = Iterable[str]
"""What became of the cases, to be counted: a run in which all are refused for one reason finds nothing."""
Check = Callable[[Wire, Sequence[Any]], Seen]


def check_raw(wire: Wire, cases: Sequence[bytes]) -> Seen:
    """Whatever bytes come, no 500 goes back, and the end of the connection comes."""
    for case, came in zip(cases, wire.throw(cases), strict=True):
        statuses = re.findall(rb"HTTP/1\.[01] (\d{3})", came)
        assert max(statuses, default=b"") < b"500", (case, came)
        assert not INSIDES.search(came), (case, came)
        yield statuses[0].decode() if statuses else "nothing"
    wire.assert_alive()


def check_http(wire: Wire, cases: Sequence[HTTPRequest]) -> Seen:
    """Read the one answer that a whole HTTP request has."""
    for case, answer in zip(cases, wire.exchange(list(map(bytes, cases)), fresh=True), strict=True):
        _look_at(case, answer)
        if case.path == "/graphql" and (answer.header("content-type") or "").startswith("application/"):
            _look_at_errors(case, answer)
        yield str(answer.status)


def check_graphql(wire: Wire, cases: Sequence[GraphQL]) -> Seen:
    """Whatever the document and the variables are, they are run or refused with a code."""
    requests = [post(case.body(), b"Authorization: Bearer fuzz") for case in cases]
    for run in range(RUNS):
        for case, answer in zip(cases, wire.exchange(requests), strict=True):
            _look_at((run, case), answer)
            yield from _codes(_look_at_errors((run, case), answer))


def check_hidden(wire: Wire, cases: Sequence[GraphQL]) -> Seen:
    """Without introspection, no message has a name of the schema in it that the client did not send."""
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
    """Whatever ids, cursors and texts say, they make REST requests of the collection alone, and well-formed ones."""
    wire.upstream.forget()
    for case, answer in zip(cases, _answers(wire, cases), strict=True):
        _look_at(case, answer)
        yield from _codes(_look_at_errors(case, answer))
    assert not wire.upstream.malformed, (cases, wire.upstream.malformed)
    for call in (call for calls in wire.upstream.calls.values() for call in calls):
        _look_at_call(call)
        yield call.method


def check_upstream(wire: Wire, cases: Sequence[tuple[GraphQL, Reply]]) -> Seen:
    """Whatever the REST API answers, the client has an error with a code, and no mutation is sent twice."""
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
        assert len(sent) <= (MAX_TRIES if refused else int(is_mutation)), (case, calls)
        assert len(calls) <= MAX_TRIES * (1 + MAX_EMPTY_PAGES), (case, calls)
        yield from _codes(errors)
    yield from _check_leftovers(wire, cases)


def _check_leftovers(wire: Wire, cases: Sequence[object]) -> Seen:
    """Read again on the same connections, each time something else: nothing of the answers before may turn up.

    That some of these reads fail is as it should be: the upstream may have closed a connection that it had answered on.
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
    """Send each with a token of its own, by which the upstream tells them apart."""
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
    """Run so many cases of one kind; count them, and what became of them."""
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
