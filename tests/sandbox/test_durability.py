import os
import subprocess
import sys
from pathlib import Path

ROUNDS = os.environ.get("SANDBOX_KILL_ROUNDS", "3")
TESTS = Path(__file__).parents[1]


def test_kill_9_in_the_middle_of_writes_loses_no_confirmed_invitation() -> None:
    command = [sys.executable, "-m", "sandbox.kill_rounds", ROUNDS]
    ran = subprocess.run(command, cwd=TESTS, capture_output=True, text=True, timeout=600, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.endswith("confirmed invitations, 0 lost\n")
