import asyncio
import socket
from typing import Any

import pytest
from support.certificates import Certificates

from gateway.transport import addresses


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Return a certificate for this machine's usual names, and a client that trusts it."""
    return Certificates(tmp_path_factory.mktemp("certificates"), "DNS:localhost", "IP:127.0.0.1")


@pytest.fixture(scope="session")
def misnamed(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Return a certificate for another name, and a client that trusts it."""
    return Certificates(tmp_path_factory.mktemp("certificates"), "DNS:other.test")


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Return a dictionary of names and their addresses, which replaces DNS."""
    known: dict[str, list[str]] = {}

    async def look_up(host: str, port: int) -> list[Any]:
        await asyncio.sleep(0)
        return [
            (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port)) for address in known[host]
        ]

    monkeypatch.setattr(addresses, "look_up", look_up)
    monkeypatch.setattr(addresses, "LOOK_UP_AFTER", 0.0)  # a changed name takes effect at once
    return known
