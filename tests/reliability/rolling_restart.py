"""Restart two gateways behind nginx, one after the other, under load, with the README's commands.

    python -m reliability.rolling_restart [--rounds 5] [--clients 16]

A round restarts both. Prints the results of the requests; exits with status 1 if a request failed, or a mutation was
lost or doubled.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from reliability.operation_load import Figures, Load, load, sandbox_process
from support.nginx import MISSING, Service, service

ROUND = 100
"""Number of responses before and after each round."""


def rolling_restart(rounds: int, clients: int, folder: Path) -> tuple[Figures, int]:
    """Return the results of the requests and the number of restarts."""
    with sandbox_process() as sandbox, service(sandbox, folder) as behind:
        with load(behind.port, clients) as clients_load:
            restarts = sum(_round(behind, clients_load) for _ in range(rounds))
            clients_load.wait_for_answers(ROUND)
        for failure in clients_load.failures[:10]:
            print(failure, file=sys.stderr)
        if clients_load.failures:
            print(behind.error_log(), file=sys.stderr)
        return clients_load.figures(sandbox), restarts


def _round(behind: Service, clients_load: Load) -> int:
    clients_load.wait_for_answers(ROUND)
    return behind.restart_by_the_readme()


def main() -> int:
    """Run the rounds, print the figures, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clients", type=int, default=16)
    options = parser.parse_args()
    if MISSING:
        parser.error(f"needs {', '.join(MISSING)}")
    with tempfile.TemporaryDirectory() as folder:
        figures, restarts = rolling_restart(options.rounds, options.clients, Path(folder))
    print(f"{restarts} restarts: {figures}")
    return 0 if restarts == 2 * options.rounds and not (figures.failed or figures.lost or figures.doubled) else 1


if __name__ == "__main__":
    sys.exit(main())
