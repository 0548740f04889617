"""A REST API that counts invitations, and fails for some of them."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum, auto

from starlette.types import Receive, Scope, Send
from support.servers import serve_app

MAX_SECONDS = 0.05
"""Maximum time of a response, so that requests are in flight when a worker is killed."""


class Fate(Enum):
    """What happens to a request."""

    DONE = auto()
    REFUSED = auto()
    THROTTLED = auto()
    FAILED_BEFORE = auto()
    FAILED_AFTER = auto()
    CUT_OFF_AFTER = auto()


PERCENT = {
    Fate.DONE: 90,
    Fate.REFUSED: 5,
    Fate.THROTTLED: 2,
    Fate.FAILED_BEFORE: 1,
    Fate.FAILED_AFTER: 1,
    Fate.CUT_OFF_AFTER: 1,
}
STATUS = {Fate.REFUSED: 400, Fate.THROTTLED: 429, Fate.FAILED_BEFORE: 500, Fate.FAILED_AFTER: 500}
APPLIED = {Fate.DONE, Fate.FAILED_AFTER, Fate.CUT_OFF_AFTER}
UNKNOWN = {Fate.FAILED_BEFORE, Fate.FAILED_AFTER, Fate.CUT_OFF_AFTER}


class CountingUpstream:
    """An application; invitations are identified by their `trackingId`, which is also their id."""

    def __init__(self) -> None:
        self.applied: Counter[str] = Counter()
        """How often each invitation was sent to its invitee."""
        self.failed: set[str] = set()
        """Invitations whose requests ended in a way that leaves their outcome unknown."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if scope["method"] == "GET":
            await _respond(send, 200, scope["path"].rpartition("/")[2])
            return
        tracking_id: str = json.loads((await receive())["body"])["trackingId"]
        (fate,) = random.choices(list(PERCENT), list(PERCENT.values()))  # noqa: S311 (not a secret)
        await asyncio.sleep(random.uniform(0, MAX_SECONDS))  # noqa: S311
        if fate in APPLIED:
            self.applied[tracking_id] += 1
        if fate in UNKNOWN:
            self.failed.add(tracking_id)
        await asyncio.sleep(random.uniform(0, MAX_SECONDS))  # noqa: S311
        await _respond(send, STATUS.get(fate, 201), tracking_id, complete=fate is not Fate.CUT_OFF_AFTER)


async def _respond(send: Send, status: int, id: str, *, complete: bool = True) -> None:
    body = json.dumps({"id": id, "trackingId": id}).encode()
    headers = [(b"content-length", b"%d" % len(body)), (b"retry-after", b"0")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    if complete:
        await send({"type": "http.response.body", "body": body})


@contextmanager
def counting_upstream() -> Iterator[tuple[CountingUpstream, str]]:
    """Run the API; yield it and its URL without a path."""
    app = CountingUpstream()
    with serve_app(app) as url:
        yield app, url
