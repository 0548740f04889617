"""nginx and two gateways, configured and restarted by the exact lines in the README's section "Operation"."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.commands import RunningCommand, started
from support.requirements import need
from support.servers import free_port
from support.waiting import LIMIT, wait_until

README = Path(__file__).parents[2] / "README.md"
PORTS = ("8001", "8002")
FOLDER = "/run/gateway"
MISSING = [tool for tool in ("nginx", "bash", "curl", "ss") if shutil.which(tool) is None]

AROUND = """
{user}
daemon off;
worker_processes 2;
pid {folder}/nginx.pid;
error_log {folder}/error.log info;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/gateway.conf;
}}
"""
"""What surrounds the README's lines in Debian's nginx.conf, with a folder that needs no root."""

SYSTEMCTL = """#!/bin/sh
[ "$1" = restart ] && touch {folder}/"$2" && while [ -e {folder}/"$2" ]; do sleep 0.1; done
"""
"""Request a restart, and wait until it is done."""


def need_nginx() -> None:
    """Skip the test if a program that the README's lines need is missing."""
    need(not MISSING, f"the README's lines need {', '.join(MISSING)}")


def readme_lines(language: str) -> str:
    """Return the only block in this language in the README's section "Operation"."""
    section = README.read_text(encoding="utf-8").partition("\n## Operation\n")[2].partition("\n## ")[0]
    (block,) = re.findall(rf"^```{language}\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    return str(block)


@dataclass(frozen=True, slots=True)
class Service:
    """nginx in front of two gateways."""

    port: int
    """nginx's port."""
    folder: Path
    upstream: str
    gateways: dict[str, tuple[RunningCommand, ExitStack]]
    """By its port in the README."""
    names: Mapping[str, str]
    """Replacements for the README's ports and folder."""
    variables: Mapping[str, str]
    """Of the gateways."""

    def lines(self, language: str) -> str:
        """Return a block of the README with only its ports and its folder replaced by this service's."""
        text = readme_lines(language).replace("listen 80;", f"listen 127.0.0.1:{self.port};")
        return re.sub("|".join(map(re.escape, self.names)), lambda found: self.names[found[0]], text)

    def start(self, port: str) -> None:
        """Start a gateway."""
        stack = ExitStack()
        words = ("serve", "--port", self.names[port], "--upstream-url", f"{self.upstream}/v1.0")
        variables = {"GATEWAY_UPSTREAM_TIMEOUT": "60", **self.variables}
        command = stack.enter_context(started(*words, variables=variables))
        self.gateways[port] = (command, stack)

    def stop(self, port: str, how: signal.Signals) -> int:
        """Stop a gateway, and return its exit status."""
        command, stack = self.gateways.pop(port)
        with stack:
            return command.stop(how)

    def restart_by_the_readme(self) -> int:
        """Run the README's procedure, and return the number of restarts."""
        restarts = 0
        environment = {**os.environ, "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}"}
        with subprocess.Popen(["bash", "-eu", "-c", self.lines("sh")], env=environment) as procedure:
            while procedure.poll() is None:
                for port in PORTS:
                    asked = self.folder / f"gateway@{self.names[port]}"
                    if asked.exists():
                        assert self.stop(port, signal.SIGTERM) == -signal.SIGTERM
                        self.start(port)
                        restarts += 1
                        asked.unlink()
                time.sleep(0.05)
        assert procedure.returncode == 0
        return restarts

    def log(self) -> str:
        """Return the output of the running gateways."""
        return "".join(command.output for command, _ in self.gateways.values())

    def error_log(self) -> str:
        """Return nginx's error log."""
        return (self.folder / "error.log").read_text()


@contextmanager
def service(upstream: str, folder: Path, variables: Mapping[str, str] | None = None) -> Iterator[Service]:
    """Run nginx and two gateways with these environment variables in front of a REST API."""
    names = {port: str(free_port()) for port in PORTS} | {FOLDER: str(folder)}
    running = Service(free_port(), folder, upstream, {}, names, variables or {})
    (folder / "bin").mkdir()
    (folder / "bin" / "systemctl").write_text(SYSTEMCTL.format(folder=folder))
    (folder / "bin" / "systemctl").chmod(0o755)
    user = "user root;" if os.geteuid() == 0 else ""  # nginx's workers need access to the folder
    (folder / "nginx.conf").write_text(AROUND.format(folder=folder, user=user))
    (folder / "gateway.conf").write_text(running.lines("nginx"))
    try:
        for port in PORTS:
            running.start(port)
        for command, _ in running.gateways.values():
            command.url_before("/graphql")
        with _nginx(folder, running.port):
            yield running
    finally:
        for _, stack in running.gateways.values():
            stack.close()


@contextmanager
def _nginx(folder: Path, port: int) -> Iterator[None]:
    words = ["nginx", "-e", f"{folder}/error.log", "-p", str(folder), "-c", f"{folder}/nginx.conf"]
    with subprocess.Popen(words, stderr=sys.stderr) as process:
        try:
            _wait_for(port, process, folder)
            yield
        finally:
            process.terminate()
            process.wait(LIMIT)


def _wait_for(port: int, process: subprocess.Popen[bytes], folder: Path) -> None:
    def listens() -> bool:
        assert process.poll() is None, (folder / "error.log").read_text()
        try:
            socket.create_connection(("127.0.0.1", port), LIMIT).close()
        except ConnectionError:
            return False
        return True

    wait_until(listens, "nginx listens")
