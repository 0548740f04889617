"""Shut the gateway down while operations are running, repeatedly, and count the operations that were lost.

    python -m reliability.operation [--rounds 10]

A round sends SIGTERM to a single process and to a gateway with two workers. In both, operations are waiting for the
REST API, which responds only after the gateway has stopped listening. Exits with status 1 if an operation was lost or
sent twice.
"""

import argparse
import json
import signal
import sys

from support.leaving import IN_FLIGHT, STATUS, creating, held_upstream, leaving
from support.waiting import wait_until


def answered_after_sigterm(workers: int) -> int:
    """Send SIGTERM while operations run; return how many of the `IN_FLIGHT` were answered. Each was sent once."""
    with held_upstream() as upstream, leaving(upstream.url, workers) as gateway:
        with creating(gateway, upstream) as answers:
            gateway.send(signal.SIGTERM)
            wait_until(lambda: not gateway.accepts(), "it has stopped listening")
            assert gateway.command.process.poll() is None
            upstream.released.set()
            answered = sum(answer.result() for answer in answers)
        assert gateway.left() == STATUS[workers]
        assert sorted(upstream.tracking_ids()) == sorted(map(str, range(IN_FLIGHT)))
    return answered


def main(rounds: int) -> int:
    """Run the rounds, print the figure, and return the exit status."""
    answered = sum(answered_after_sigterm(workers) for _ in range(rounds) for workers in STATUS)
    running = rounds * len(STATUS) * IN_FLIGHT
    print(json.dumps({"SIGTERMs": rounds * len(STATUS), "running operations": running, "lost": running - answered}))
    return 0 if answered == running else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    sys.exit(main(parser.parse_args().rounds))
