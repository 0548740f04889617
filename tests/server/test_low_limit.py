"""A low limit of open files (`ulimit -n`) is raised if possible; if it is too low, the start fails."""

import re
import resource
import sys
from pathlib import Path

import pytest
from support.commands import run_command
from support.gateway import gateway_process
from support.processes import children, need_proc

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")


HARD = resource.getrlimit(resource.RLIMIT_NOFILE)[1]


START = re.compile(r" (INFO|WARNING) gateway\.start The open file limit \(ulimit -n\) (.*)")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_soft_limit_is_raised_in_every_process(workers: str) -> None:
    need_proc()
    with gateway_process("serve", "--workers", workers, ulimit="-Sn 256", UPSTREAM_URL="http://127.0.0.1:1") as gateway:
        wanted = min(HARD, 65_536)
        for process in (gateway.pid, *children(gateway.pid)):
            limits = Path(f"/proc/{process}/limits").read_text(encoding="ascii")
            assert re.search(rf"^Max open files +{wanted} ", limits, re.MULTILINE)
        ((level, line),) = START.findall(gateway.log())
        assert (level, line.partition(":")[0]) == ("INFO", f"was raised from 256 to {wanted}")


@pytest.mark.parametrize("command", ["dev", "serve", "sandbox"])
def test_a_limit_that_is_too_low_stops_the_start_with_one_line(command: str) -> None:
    result = run_command(command, "--port", "0", ulimit="-n 256")
    assert result.returncode == 1
    assert result.stderr == "Error: the open file limit (ulimit -n) is 256: raise it to at least 512\n"
