"""A low limit of open files (`ulimit -n`) is raised if possible; otherwise clients get a clear refusal."""

import re
import sys

import pytest
from reliability.low_limit import run

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")

START = re.compile(r" (INFO|WARNING) gateway\.start The open file limit \(ulimit -n\) (.*)")


def test_every_client_gets_a_response_even_with_more_clients_than_open_files() -> None:
    figures, log = run(clients=1150, limit=1024)
    assert figures.good(), figures
    assert (figures.succeeded, figures.refused) == (334, 816)
    assert START.findall(log) == [
        (
            "WARNING",
            "is 1024: each process accepts 334 client connections, and GATEWAY_MAX_OPERATIONS is 334 instead of 4000",
        )
    ]
    assert re.findall(r"WARNING gateway.http (\d+) client connections were refused with 503", log) == ["816"]
    assert " ERROR " not in log
