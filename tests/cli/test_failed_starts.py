"""A start that cannot succeed fails, and says why in one line."""

import socket
from pathlib import Path

import pytest
from support.commands import assert_one_line_of_error, run_command

from gateway import app

SECRET = "5ecret"


@pytest.mark.parametrize("command", ["dev", "sandbox"])
def test_an_invalid_data_file_is_reported_in_one_line_and_not_changed(tmp_path: Path, command: str) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("my notes, and no database\n" * 100)
    assert_one_line_of_error(run_command(command, "--port", "0", "--data", str(file)), "notes.txt")
    assert file.read_text() == "my notes, and no database\n" * 100


@pytest.mark.parametrize("command", ["dev", "serve", "sandbox"])
def test_a_port_in_use_is_reported_in_one_line(command: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert_one_line_of_error(run_command(command, "--port", port), port, "in use")


@pytest.mark.parametrize("host", ["no such host", "x" * 64, "300.300.300.300"])
@pytest.mark.parametrize("command", ["serve", "sandbox"])
def test_an_invalid_host_is_reported_in_one_line(command: str, host: str) -> None:
    assert_one_line_of_error(run_command(command, "--host", host, "--port", "0"), "listen")


@pytest.mark.parametrize(
    ("words", "variables", "named"),
    [
        (("serve",), {"GATEWAY_PORT": SECRET}, "GATEWAY_PORT"),
        (("dev",), {"GATEWAY_PORT": "70000"}, "GATEWAY_PORT"),
        (("serve", "--port", SECRET), {}, "GATEWAY_PORT"),
        (("serve", "--upstream-timeout", "0"), {}, "GATEWAY_UPSTREAM_TIMEOUT"),
        (("serve",), {"GATEWAY_UPSTREAM_URL": f"https://user:{SECRET}@graph.example"}, "GATEWAY_UPSTREAM_URL"),
        (("serve",), {"GATEWAY_UPSTREAM_URL": f"https://graph.example:{SECRET}"}, "GATEWAY_UPSTREAM_URL"),
        (("serve", "--upstream-url", "http://graph.example"), {}, "GATEWAY_UPSTREAM_URL"),
        (("serve", "--workers", "0"), {}, "GATEWAY_WORKERS"),
        (("serve",), {"GATEWAY_CORS_ORIGINS": SECRET}, "GATEWAY_CORS_ORIGINS"),
    ],
)
def test_an_invalid_setting_stops_the_start_with_one_line_that_names_its_variable(
    words: tuple[str, ...], variables: dict[str, str], named: str
) -> None:
    assert_one_line_of_error(run_command(*words, variables=variables), f"{named}: ")


def test_a_worker_that_fails_to_start_says_why_and_exits_with_the_status_that_stops_its_supervisor(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise ValueError

    monkeypatch.setattr(app, "load_settings", fail)
    with pytest.raises(SystemExit) as ended:
        app.serve()
    assert ended.value.code == 3
    assert "bug=ValueError" in caplog.text


@pytest.mark.parametrize(
    ("words", "variables", "reason"),
    [
        (("serve",), {"GATEWAY_PORT": "tcp://10.0.0.1:80"}, "GATEWAY_PORT: must be a number: set it, rename"),
        (("serve", "--workers", "many"), {}, "GATEWAY_WORKERS: "),
        (("serve", "--host", "192.0.2.1"), {}, "cannot listen on 192.0.2.1"),
        (("sandbox", "--data", "{folder}"), {}, "cannot open {folder}: "),
        (("dev", "--data", "{folder}/missing/file"), {}, "cannot open {folder}/missing/file: "),
        (("dev", "--data", "{folder}/text"), {}, "cannot store the sandbox's data in {folder}/text: "),
        (("schema", "--check", "{folder}"), {}, "{folder}: "),
        (("schema", "--output", "{folder}"), {}, "{folder}: "),
    ],
)
def test_a_start_that_cannot_succeed_fails_and_says_why_in_one_line(
    tmp_path: Path, words: tuple[str, ...], variables: dict[str, str], reason: str
) -> None:
    (tmp_path / "text").write_text("no database" * 1000)
    result = run_command(*(word.format(folder=tmp_path) for word in words), variables=variables)
    assert result.returncode == 1
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"Error: {reason.format(folder=tmp_path)}")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_port_in_use_fails_before_any_worker_is_started(workers: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = run_command("serve", "--port", port, "--workers", workers)
    assert result.returncode == 1
    assert result.stderr == f"Error: cannot listen on 127.0.0.1, port {port}: Address already in use\n"
