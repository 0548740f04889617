"""Facts about a process from Linux's /proc: its children, its memory, its sockets."""

import re
from pathlib import Path

from support.requirements import need


def need_proc() -> None:
    """Skip the test if there is no /proc."""
    need(Path("/proc/self/task").exists(), "processes are inspected through Linux's /proc")


def children(pid: int) -> list[int]:
    """Return the live children of a process."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]


def resident(pid: int, figure: str = "VmRSS") -> float:
    """Return a process's memory in MB, or its peak (`VmHWM`)."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    found = re.search(rf"{figure}:\s+(\d+) kB", status)
    assert found
    return int(found[1]) / 1024


def open_sockets(pid: int | str = "self") -> int:
    """Return a process's number of open sockets."""
    count = 0
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            count += descriptor.readlink().name.startswith("socket:")
        except FileNotFoundError:  # closed since the folder was listed
            continue
    return count
