"""A file for keys that cannot be used: from the start, or later."""

import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from support.commands import assert_one_line_of_error, run_command
from support.gateway import Gateway
from support.invitations_upstream import InvitationsUpstream, Request, always, json_answer
from support.keys import create, gateway_with_file, keyed_process, new_key
from support.waiting import LIMIT

from gateway.idempotency import sqlite_file, unfinished

CREATED = json_answer(201, {"id": "1", "inviter": "as sent"})


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_file, "LOCK_LIMIT", 0.1)
    monkeypatch.setattr(sqlite_file, "SETTLE", 0.0)
    monkeypatch.setattr(unfinished, "FIRST_PAUSE", LIMIT)


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold the write lock of another process."""
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield


def unavailable(gateway: Gateway, key: str) -> None:
    extensions = gateway.error(*create(key))["extensions"]
    assert (extensions["code"], extensions["outcome"]) == ("IDEMPOTENCY_STORE_UNAVAILABLE", "NOT_APPLIED")
    assert extensions["retryAfter"] == 1


def a_folder(file: Path) -> None:
    file.mkdir()


def text(file: Path) -> None:
    file.write_text("my notes, and no database\n" * 100)


def another_application(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE mine (id)")


def nothing(_: Path) -> None:
    """Leave the folder empty."""


@pytest.mark.parametrize(
    ("made", "name"), [(a_folder, "x"), (text, "x"), (another_application, "x"), (nothing, "no folder/x")]
)
@pytest.mark.parametrize("command", ["serve", "dev"])
def test_a_gateway_does_not_start_with_an_unusable_file(
    tmp_path: Path, command: str, made: Callable[[Path], None], name: str
) -> None:
    file = tmp_path / name
    made(file)
    before = file.read_bytes() if file.is_file() else None
    variables = {"GATEWAY_IDEMPOTENCY_STORE": f"sqlite:///{file}"}
    result = run_command(command, "--port", "0", variables=variables)
    assert_one_line_of_error(result, "GATEWAY_IDEMPOTENCY_STORE")
    assert before == (file.read_bytes() if file.is_file() else None)


def test_while_the_file_is_locked_nothing_is_sent(tmp_path: Path, upstream: InvitationsUpstream) -> None:
    upstream.expect(always(CREATED))
    file, key = tmp_path / "keys.db", new_key()
    with gateway_with_file(upstream.url, file) as gateway:
        gateway.data(*create(new_key()))
        with locked(file):
            unavailable(gateway, key)
        assert len(upstream.calls) == 1
        gateway.data(*create(key))
    assert len(upstream.calls) == 2


def test_if_the_file_is_locked_after_the_send_the_result_is_true(tmp_path: Path, upstream: InvitationsUpstream) -> None:
    file, key = tmp_path / "keys.db", new_key()
    with closing(sqlite3.connect(file, isolation_level=None, check_same_thread=False)) as connection:

        def locking(_: Request) -> bytes:
            connection.execute("BEGIN EXCLUSIVE")
            return CREATED

        upstream.expect(locking)
        with gateway_with_file(upstream.url, file) as gateway:
            assert gateway.data(*create(key)) == {"createInvitation": {"id": "1", "inviter": "as sent"}}
            connection.execute("ROLLBACK")
            extensions = gateway.error(*create(key))["extensions"]
            assert (extensions["code"], extensions["outcome"]) == ("IDEMPOTENCY_IN_PROGRESS", "UNKNOWN")
    assert len(upstream.calls) == 1


def test_if_the_folder_vanishes_nothing_is_sent(tmp_path: Path, upstream: InvitationsUpstream) -> None:
    upstream.expect(always(CREATED))
    folder = tmp_path / "folder"
    folder.mkdir()
    with gateway_with_file(upstream.url, folder / "keys.db") as gateway:
        gateway.data(*create(new_key()))
        shutil.rmtree(folder)
        unavailable(gateway, new_key())
        assert len(upstream.calls) == 1
        folder.mkdir()
        gateway.data(*create(new_key()))


def test_if_the_disk_is_full_nothing_is_sent(tmp_path: Path, upstream: InvitationsUpstream) -> None:
    upstream.expect(always(CREATED))
    with keyed_process(upstream.url, tmp_path / "keys.db", ulimit="-f 128") as gateway:
        codes: Counter[str] = Counter()
        while codes["IDEMPOTENCY_STORE_UNAVAILABLE"] < 20:
            answer = gateway.run(*create(new_key()))
            codes[answer["errors"][0]["extensions"]["code"] if "errors" in answer else "sent"] += 1
            assert codes.total() < 5000
        assert "store_unavailable=" in gateway.log()
    assert set(codes) == {"IDEMPOTENCY_STORE_UNAVAILABLE", "sent"}
    assert len(upstream.calls) == codes["sent"]
