"""Expensive requests are refused by a limit that the error names."""

import re
from collections.abc import Iterator

import pytest
from reliability.hostile import (
    DEEP,
    DEPTHS,
    HOSTILE,
    HOT,
    Client,
    Hostile,
    client,
    deep,
    flood,
    refused_flood,
)
from support.gateway import GatewayProcess, gateway_before_sandbox
from support.processes import need_proc

DOCUMENTS = 1_000
LARGE_DOCUMENTS = 4_000
GROWTH = 80
"""Megabytes; without a limit, a quarter of these documents would take twice as much."""


@pytest.fixture(scope="module")
def gateway() -> Iterator[GatewayProcess]:
    with gateway_before_sandbox() as gateway:
        yield gateway


@pytest.fixture
def asking(gateway: GatewayProcess) -> Iterator[Client]:
    with client(gateway) as asking:
        yield asking
        assert asking.run(HOT).json()["data"]["invitations"]["nodes"], "the connection is no longer usable"
        assert "bug=" not in gateway.log()


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_request_is_refused_and_the_error_names_the_limit(hostile: Hostile, asking: Client) -> None:
    for _ in range(3):
        answer = asking.ask(hostile.request())
        assert answer.status == hostile.status
        messages = [error["message"] for error in answer.json()["errors"]]
        assert any(re.search(hostile.names, message, re.DOTALL) for message in messages), messages
        assert "data" not in answer.json()
        assert len(answer.body) < 20_000


@pytest.mark.parametrize("form", DEEP.values(), ids=DEEP)
def test_nested_values_and_types_are_refused_at_any_depth(form: str, asking: Client) -> None:
    for levels in DEPTHS:
        for _ in range(2):
            answer = asking.run(deep(form, levels))
            (*_, error) = answer.json()["errors"]
            assert answer.status == 400
            assert error["extensions"]["code"] in {"GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED"}


def test_a_flood_of_different_documents_is_not_kept_in_memory(gateway: GatewayProcess, asking: Client) -> None:
    need_proc()
    flood(asking, DOCUMENTS)
    before = gateway.resident()
    flood(asking, LARGE_DOCUMENTS, fields=200, start=DOCUMENTS)
    assert gateway.resident() - before < GROWTH


def test_refused_requests_leave_nothing_in_memory(gateway: GatewayProcess, asking: Client) -> None:
    need_proc()
    for request_ in refused_flood(20):
        asking.ask(request_)
    before = gateway.resident()
    for request_ in refused_flood(200):
        assert asking.ask(request_).status == 400
    assert gateway.resident() - before < GROWTH
