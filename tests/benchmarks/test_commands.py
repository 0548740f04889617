"""Short forms of the commands: that they run, not what they measure."""

import os
import re
import shutil
import ssl
import time
import urllib.request
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from benchmarks.operations import AUTHORIZATION, Q1, QL
from benchmarks.upstream import running_upstream
from support.commands import run_benchmarks
from support.requirements import need

PROGRAMS = ("nginx", "wrk", "taskset", "openssl")


@pytest.fixture(autouse=True)
def _programs() -> None:
    missing = [program for program in PROGRAMS if not shutil.which(program)]
    need(not missing, f"the benchmarks need {', '.join(missing)}")
    need(hasattr(os, "sched_getaffinity") and len(os.sched_getaffinity(0)) > 1, "the benchmarks need two cores")


def run(*words: str) -> list[str]:
    """Run commands with the gateway alone; return the tables that they print."""
    return run_benchmarks("--quick", "--servers", "gateway", *words).strip().split("\n\n")


def figures(table: str, row: int = 2) -> list[str]:
    """Return the cells of a row except the first."""
    return [cell.strip() for cell in table.splitlines()[row].split("|")[2:-1]]


def test_compare_measures_near_and_far_from_the_rest_api() -> None:
    near, far = run("compare")
    assert "at once, 32 clients" in near
    assert "over TLS after 200 ms, 1000 clients" in far
    assert [len(figures(table)) for table in (near, far)] == [3 * 4 + 2, 2 * 4 + 2]
    assert {figures(near)[-1], figures(far)[-1]} == {"0"}, "there were errors"
    assert float(figures(far)[2]) >= 190, "the REST API answered too early"


def test_delays_measures_each_delay_number_of_clients_and_number_of_workers_and_draws_a_picture(tmp_path: Path) -> None:
    picture = tmp_path / "picture.svg"
    words = ("--clients", "5,10", "--delays", "0,0.05", "--workers", "1,2", "--picture", str(picture))
    at_once, later = run("delays", *words)
    for table, least in ((at_once, 0.0), (later, 50.0)):
        for row in (2, 3):
            cells = figures(table, row)
            assert len(cells) == 2
            assert not any(cell.endswith("!") for cell in cells), table
            assert all(float(cell.split(", ")[1]) >= least for cell in cells)
    curves = ET.parse(picture).getroot().iter("{http://www.w3.org/2000/svg}polyline")  # noqa: S314 (ours)
    assert len(list(curves)) == 2 * 3, "one for each number of workers, and the ideal"


def test_keys_measures_creates_without_a_key_and_with_each_store() -> None:
    need(shutil.which("redis-server"), "redis-server is needed")
    (table,) = run("keys")
    assert [line.split("|")[1].strip() for line in table.splitlines()[2:]] == ["no key", "memory", "SQLite", "Redis"]
    assert all(float(cell) > 0 for row in (2, 3, 4, 5) for cell in figures(table, row))


def test_cold_start_measures_when_all_clients_have_an_answer() -> None:
    (table,) = run("cold-start", "--clients", "50", "--delay", "0.1")
    first, half, last, errors = figures(table)
    assert 0.1 <= float(first) <= float(half) <= float(last)
    assert errors == "0"


@pytest.mark.parametrize("delay", [0.0, 0.1])
def test_the_canned_rest_api_answers_after_its_delay(delay: float, tmp_path: Path) -> None:
    with running_upstream(tmp_path, tls=True, delay=delay) as upstream:
        context = ssl.create_default_context(cafile=upstream.variables["SSL_CERT_FILE"])
        before = upstream.requests()

        def send(method: str, path: str) -> tuple[int, str]:
            url = f"{upstream.url}/linkedIn/invitations{path}"
            request = urllib.request.Request(url, headers={"Authorization": AUTHORIZATION}, method=method)
            start = time.perf_counter()
            with urllib.request.urlopen(request, timeout=60, context=context) as answer:
                assert time.perf_counter() - start >= delay
                return answer.status, answer.read().decode()

        status, one = send("GET", f"/{Q1.variables['id']}")
        assert status == 200
        assert send("POST", "") == (201, one)
        status, listed = send("GET", f"?$top={QL.variables['first']}")
        assert status == 200
        assert len(re.findall(re.escape(one), listed)) == QL.variables["first"]
        upstream.wait_until_idle()
        assert upstream.requests() - before >= 4
