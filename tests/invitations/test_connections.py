"""Failed, lost and hanging connections, and responses that are not HTTP."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from support.certificates import self_signed
from support.gateway import Gateway, running_gateway
from support.invitations_upstream import InvitationsUpstream, always, replying
from support.operations import CREATE, GET, LIST, MUTATIONS, OBJECTS, OPERATIONS, UPDATE, Operation
from support.scripted_upstream import Script, ScriptedUpstream, answer
from support.servers import refusing_url
from support.upstream_faults import HANGING, LOST, NOT_HTTP, dripping

INVITATION = {"id": "1", "inviter": "a"}


def assert_failed(
    gateway: Gateway, operation: Operation, code: str, outcome: str | None, *, sent: bool = True
) -> dict[str, Any]:
    error = gateway.error(operation.query)
    extensions: dict[str, Any] = error["extensions"]
    expected = {"code", *(["outcome"] if operation.is_mutation else []), *(["clientRequestId"] if sent else [])}
    expected |= {"trackingId"} if operation is CREATE and sent else set()
    assert set(extensions) == expected
    assert extensions["code"] == code
    if operation.is_mutation:
        assert extensions["outcome"] == outcome
    return extensions


def assert_never_connected(upstream_url: str) -> None:
    with running_gateway(upstream_url) as gateway:
        for operation in OPERATIONS.values():
            assert_failed(gateway, operation, "UPSTREAM_UNAVAILABLE", "NOT_APPLIED", sent=False)


def test_without_a_connection_the_upstream_is_unavailable_and_nothing_was_applied() -> None:
    with refusing_url() as url:
        assert_never_connected(url)


def test_without_an_address_the_upstream_is_unavailable_and_nothing_was_applied() -> None:
    # The label is too long for DNS, so the lookup fails without a network.
    assert_never_connected(f"https://{'x' * 64}.test")


def test_without_tls_the_upstream_is_unavailable_and_nothing_was_applied() -> None:
    with ScriptedUpstream(lambda connection: connection.send(answer(400, b""))) as upstream:
        assert_never_connected(f"https://127.0.0.1:{upstream.port}")


def test_a_server_with_an_untrusted_certificate_gets_no_request(tmp_path: Path) -> None:
    tls, _ = self_signed(tmp_path, "IP:127.0.0.1")
    with ScriptedUpstream(lambda connection: connection.wait_until_client_closes(), tls=tls) as upstream:
        assert_never_connected(upstream.url)
        assert upstream.bytes_received == 0


@pytest.mark.parametrize("script", LOST.values(), ids=LOST.keys())
def test_after_a_lost_connection_a_mutation_is_unknown_and_not_repeated_and_a_query_is_tried_three_times(
    script: Script,
) -> None:
    with ScriptedUpstream(script) as upstream, running_gateway(upstream.url) as gateway:
        for operation in OPERATIONS.values():
            upstream.requests.clear()
            assert_failed(gateway, operation, "UPSTREAM_UNAVAILABLE", "UNKNOWN")
            assert len(upstream.requests) == (1 if operation.is_mutation else 3)


@pytest.mark.parametrize(
    "script", [*HANGING.values(), dripping(answer(200, b"x" * 10_000), every=0.1)], ids=[*HANGING, "drips"]
)
@pytest.mark.parametrize("operation", [CREATE, GET], ids=["create", "get"])
def test_after_a_timeout_a_mutation_is_unknown_and_nothing_is_repeated(script: Script, operation: Operation) -> None:
    with ScriptedUpstream(script) as upstream, running_gateway(upstream.url, upstream_timeout=1) as gateway:
        assert_failed(gateway, operation, "UPSTREAM_TIMEOUT", "UNKNOWN")
        assert upstream.accepted == 1


@pytest.mark.parametrize("script", NOT_HTTP.values(), ids=NOT_HTTP.keys())
def test_a_response_that_is_not_http_is_invalid_and_nothing_is_repeated(script: Script) -> None:
    with ScriptedUpstream(script) as upstream, running_gateway(upstream.url) as gateway:
        for operation in OPERATIONS.values():
            upstream.requests.clear()
            assert_failed(gateway, operation, "UPSTREAM_INVALID_RESPONSE", "UNKNOWN")
            assert len(upstream.requests) == 1


@pytest.mark.parametrize("operation", MUTATIONS.values(), ids=MUTATIONS.keys())
def test_a_success_that_is_too_large_was_applied(
    gateway: Gateway, upstream: InvitationsUpstream, operation: Operation
) -> None:
    large = json.dumps({**INVITATION, "inviter": "x" * 20_000_000}).encode()
    upstream.expect(always(answer(operation.success, large)))
    error = gateway.error(operation.query)
    assert error["extensions"]["outcome"] == "APPLIED"


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS.keys())
def test_a_success_that_is_too_large_is_an_invalid_response_and_not_retried(
    gateway: Gateway, upstream: InvitationsUpstream, operation: Operation
) -> None:
    upstream.expect(always(answer(operation.success, b" " * 20_000_000)))
    error = gateway.error(operation.query)
    assert error["extensions"]["code"] == "UPSTREAM_INVALID_RESPONSE"
    assert error["extensions"].get("outcome") in ({"UNKNOWN", "APPLIED"} if operation.is_mutation else {None})
    assert len(upstream.calls) == 1


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS.keys())
def test_an_error_that_is_too_large_keeps_its_code(
    gateway: Gateway, upstream: InvitationsUpstream, operation: Operation
) -> None:
    upstream.expect(always(answer(403, b"x" * 20_000_000)))
    error = gateway.error(operation.query)
    assert error["extensions"]["code"] == "FORBIDDEN"
    assert error["extensions"].get("outcome") == ("NOT_APPLIED" if operation.is_mutation else None)


@pytest.mark.parametrize("operation", OBJECTS.values(), ids=OBJECTS.keys())
def test_a_body_that_does_not_match_its_content_encoding_is_an_invalid_response(
    gateway: Gateway, upstream: InvitationsUpstream, operation: Operation
) -> None:
    upstream.expect(always(answer(operation.success, b"not gzip", b"Content-Encoding: gzip")))
    error = gateway.error(operation.query)
    assert error["extensions"]["code"] == "UPSTREAM_INVALID_RESPONSE"
    assert error["extensions"].get("outcome") == ("APPLIED" if operation.is_mutation else None)


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS.keys())
def test_an_error_whose_body_does_not_match_its_content_encoding_keeps_its_code(
    gateway: Gateway, upstream: InvitationsUpstream, operation: Operation
) -> None:
    upstream.expect(always(answer(403, b"not gzip", b"Content-Encoding: gzip")))
    assert gateway.error(operation.query)["extensions"]["code"] == "FORBIDDEN"


def test_a_response_that_exceeds_the_limit_when_decompressed_is_an_invalid_response(
    gateway: Gateway, upstream: InvitationsUpstream
) -> None:
    packed = gzip.compress(json.dumps({**INVITATION, "inviter": "x" * 100_000_000}).encode(), 1)
    assert len(packed) < 1_000_000
    upstream.expect(always(answer(200, packed, b"Content-Encoding: gzip")))
    assert gateway.error(GET.query)["extensions"]["code"] == "UPSTREAM_INVALID_RESPONSE"


def test_the_timeout_covers_all_tries_together() -> None:
    def hang_at_the_second_try(connection: Any) -> None:
        connection.wait_until_client_closes()

    with (
        InvitationsUpstream(replying(answer(503, b"", b"Retry-After: 0"), hang_at_the_second_try)) as upstream,
        running_gateway(upstream.url, upstream_timeout=2) as gateway,
    ):
        assert gateway.error(GET.query)["extensions"]["code"] == "UPSTREAM_TIMEOUT"
        assert len(upstream.calls) == 2


def test_the_timeout_covers_all_empty_pages_together() -> None:
    with InvitationsUpstream() as upstream, running_gateway(upstream.url, upstream_timeout=2) as gateway:
        page = {"value": [], "@odata.nextLink": f"{upstream.url}/v1.0/linkedIn/invitations?$skiptoken=a"}
        upstream.expect(
            replying(answer(200, json.dumps(page).encode()), lambda connection: connection.wait_until_client_closes())
        )
        assert gateway.error(LIST.query)["extensions"]["code"] == "UPSTREAM_TIMEOUT"
        assert len(upstream.calls) == 2


def test_the_timeout_covers_an_update_and_its_re_read_and_the_update_was_applied() -> None:
    with (
        InvitationsUpstream(
            replying(answer(204, b""), lambda connection: connection.wait_until_client_closes())
        ) as upstream,
        running_gateway(upstream.url, upstream_timeout=2) as gateway,
    ):
        assert_failed(gateway, UPDATE, "UPSTREAM_TIMEOUT", "APPLIED")
        assert [call.method for call in upstream.calls] == ["PATCH", "GET"]


def test_each_field_has_its_own_timeout() -> None:
    def handler(call: Any) -> Any:
        return (lambda connection: connection.wait_until_client_closes()) if call.target.endswith("slow") else good

    good = answer(200, json.dumps(INVITATION).encode())
    with InvitationsUpstream(handler) as upstream, running_gateway(upstream.url, upstream_timeout=2) as gateway:
        content = gateway.run('{ slow: invitation(id: "slow") { id } quick: invitation(id: "1") { id } }')
    assert content["data"] == {"slow": None, "quick": {"id": "1"}}
    (error,) = content["errors"]
    assert error["path"] == ["slow"]
    assert error["extensions"]["code"] == "UPSTREAM_TIMEOUT"
