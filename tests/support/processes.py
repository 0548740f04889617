"""What Linux tells of a process: its children, its memory, its sockets."""

import re
from pathlib import Path

from support.requirements import need


def need_proc() -> None:
    """Skip the test where there is no /proc to look into."""
    need(Path("/proc/self/task").exists(), "processes are looked at in Linux's /proc")


def children(pid: int) -> list[int]:
    """Return the processes that a process has started and that live."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]


def resident(pid: int, figure: str = "VmRSS") -> float:
    """Return the memory that a process holds, or held at most (`VmHWM`), in MB."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    found = re.search(rf"{figure}:\s+(\d+) kB", status)
    assert found
    return int(found[1]) / 1024


def open_sockets(pid: int | str = "self") -> int:
    """Return how many descriptors of a process are sockets."""
    count = 0
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            count += descriptor.readlink().name.startswith("socket:")
        except FileNotFoundError:  # closed since the folder was read
            continue
    return count
