import os
import subprocess
import sys
from pathlib import Path

ROUNDS = os.environ.get("SANDBOX_KILL_ROUNDS", "3")


def test_kill_9_in_the_middle_of_writes_loses_no_confirmed_invitation() -> None:
    command = [sys.executable, str(Path(__file__).with_name("kill_rounds.py")), ROUNDS]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.endswith("confirmed invitations, 0 lost\n")
