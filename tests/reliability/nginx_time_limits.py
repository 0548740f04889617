"""Send slow headers and bodies to nginx, configured as in the README, and count what reaches a gateway.

    python -m reliability.nginx_time_limits [--clients 50]

This many clients send a header byte by byte, and as many stop in the middle of a body, while others send normal
requests. Exits with status 1 if a slow client was not cut off or reached a gateway, or if another request failed.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx
from reliability.operation_load import Figures, load, sandbox_process
from support.nginx import MISSING, PORTS, Service, service
from support.raw_http import RawConnection
from support.waiting import LIMIT, wait_until

DRIP = 0.5  # seconds between two bytes of a header
SLOW_HEADER = b"POST /slow-header HTTP/1.1\r\nHost: gateway\r\nX-Slow: "
HALF_A_BODY = b"POST /slow-body HTTP/1.1\r\nHost: gateway\r\nContent-Length: 20\r\n\r\n{"


@dataclass(frozen=True, slots=True)
class SlowClients:
    """The results of the slow clients and of the others."""

    slow: int
    cut_off: int
    reached_a_gateway: int
    others: Figures

    def __str__(self) -> str:
        return json.dumps(asdict(self))


def slow_clients(each: int, folder: Path) -> SlowClients:
    """Run this many clients of each kind."""
    with sandbox_process() as sandbox, service(sandbox, folder) as behind, ThreadPoolExecutor(2 * each) as pool:
        senders: list[Callable[[int], bool]] = [_header_is_cut_off, _body_is_cut_off]
        with load(behind.port, clients=4) as others:
            futures = [pool.submit(sender, behind.port) for sender in senders for _ in range(each)]
            cut_off = sum(future.result() for future in futures)
        reached = sum("path=/slow-" in line for line in _whole_log(behind))
        return SlowClients(2 * each, cut_off, reached, others.figures(sandbox))


def _header_is_cut_off(port: int) -> bool:
    with RawConnection(port, limit=DRIP) as client:
        client.send(SLOW_HEADER)
        for _ in range(int(LIMIT / DRIP)):
            try:
                client.send(b"x")
                return client.read() == b""
            except TimeoutError:
                continue
            except ConnectionError:
                return True
    return False


def _body_is_cut_off(port: int) -> bool:
    with RawConnection(port) as client:
        client.send(HALF_A_BODY)
        try:
            return client.read() == b""
        except TimeoutError:
            return False


def _whole_log(behind: Service) -> Iterator[str]:
    """Return the log lines of both gateways, once each has logged a final request."""
    for port in PORTS:
        command, _ = behind.gateways[port]
        httpx.get(f"http://127.0.0.1:{behind.names[port]}/the-last", timeout=LIMIT, trust_env=False)
        wait_until(lambda: "path=/the-last " in command.output, "the last request is in the log")  # noqa: B023 (called at once)
        yield from command.output.splitlines()


def main() -> int:
    """Run the clients, print the figures, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=50)
    options = parser.parse_args()
    if MISSING:
        parser.error(f"needs {', '.join(MISSING)}")
    with tempfile.TemporaryDirectory() as folder:
        result = slow_clients(options.clients, Path(folder))
    print(result)
    return 1 if result.cut_off < result.slow or result.reached_a_gateway or result.others.failed else 0


if __name__ == "__main__":
    sys.exit(main())
