"""A REST API with a fixed capacity that counts its requests."""

import threading
import time
from collections import Counter
from heapq import heapreplace

from support.invitations_upstream import InvitationsUpstream, Request, json_answer

WORKERS = 10


class Bottleneck(InvitationsUpstream):
    """Process `WORKERS` requests at a time, each for `WORKERS / capacity` seconds; the others wait in a queue.

    Like a real server, it continues with requests whose client has gone.
    """

    def __init__(self, capacity: float) -> None:
        self.times_sent: Counter[str] = Counter()
        """Keys are the ids of reads and the `trackingId`s of creates."""
        self.most_at_once = 0
        """Maximum number of requests at the same time, including queued ones."""
        self._seconds = WORKERS / capacity
        self._free_at = [0.0] * WORKERS
        """When each worker is free, as a heap: a queue of threads would not be first come, first served."""
        self._lock = threading.Lock()
        self._present = 0
        super().__init__(self._work)

    def _work(self, request: Request) -> bytes:
        key = request.json["trackingId"] if request.body else request.target.rpartition("/")[2]
        now = time.monotonic()
        with self._lock:
            self.times_sent[key] += 1
            self._present += 1
            self.most_at_once = max(self.most_at_once, self._present)
            done = max(now, self._free_at[0]) + self._seconds
            heapreplace(self._free_at, done)
        time.sleep(done - now)
        with self._lock:
            self._present -= 1
        return json_answer(201 if request.body else 200, {"id": key})
