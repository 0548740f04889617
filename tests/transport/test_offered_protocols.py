"""The protocols that a TLS handshake offers."""

import asyncio
from pathlib import Path

import pytest
from support.certificates import self_signed
from support.scripted_upstream import ScriptedUpstream, UpstreamConnection, answer
from support.transports import request_to

from gateway.transport import Transport, tls_context


def test_an_upstream_that_prefers_http_2_is_offered_only_http_1_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, certificate = self_signed(tmp_path, "DNS:localhost")
    server.set_alpn_protocols(["h2", "http/1.1"])
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    chosen: list[str | None] = []

    def script(connection: UpstreamConnection) -> None:
        connection.start_tls(server)
        chosen.append(connection.socket.selected_alpn_protocol())  # type: ignore[attr-defined]
        connection.read_request()
        connection.send(answer())

    async def main() -> None:
        url = f"https://localhost:{upstream.port}"
        async with Transport(url, max_response_bytes=1000, ssl_context=tls_context()) as transport:
            await transport.handle_async_request(request_to(url))

    with ScriptedUpstream(script) as upstream:
        asyncio.run(main())
    assert chosen == ["http/1.1"]
