"""Fields of one request that ask for the same invitation share a read."""

import asyncio
import gc
from collections.abc import Coroutine
from typing import Any, cast

import pytest
from support.waiting import LIMIT

from gateway.invitations import CallerClient, InvitationV2
from gateway.schema import Context

pytestmark = pytest.mark.quick


class Client:
    """Complete reads on demand, and count them."""

    def __init__(self) -> None:
        self.reads = 0
        self.result: asyncio.Future[InvitationV2 | None] = asyncio.get_running_loop().create_future()

    async def get(self, _id: str) -> InvitationV2 | None:
        self.reads += 1
        return await self.result


def reading(client: Client) -> Context:
    return Context(cast("CallerClient", client))


async def begun(work: Coroutine[Any, Any, InvitationV2 | None]) -> asyncio.Task[InvitationV2 | None]:
    """Run a task until it blocks."""
    task = asyncio.ensure_future(work)
    await asyncio.sleep(0)
    return task


def test_cancelling_one_field_does_not_cancel_the_read_of_the_others() -> None:
    async def scenario() -> None:
        client = Client()
        context = reading(client)
        first, second, third = [await begun(context.invitation("1")) for _ in range(3)]

        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        client.result.set_result(InvitationV2(id="1"))

        async with asyncio.timeout(LIMIT):
            assert await first == await third == InvitationV2(id="1")
        assert client.reads == 1

    asyncio.run(scenario())


def test_cancelling_the_read_wakes_the_fields_that_wait_for_it() -> None:
    async def scenario() -> None:
        context = reading(Client())
        first, second = [await begun(context.invitation("1")) for _ in range(2)]

        first.cancel()

        with pytest.raises(asyncio.CancelledError):
            async with asyncio.timeout(LIMIT):
                await second
        assert first.cancelled()

    asyncio.run(scenario())


def test_a_failed_read_without_other_waiters_is_not_logged_by_the_event_loop() -> None:
    async def scenario() -> None:
        noticed: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: noticed.append(context))
        client = Client()
        client.result.set_exception(OSError("no connection"))

        with pytest.raises(OSError, match="no connection"):
            await reading(client).invitation("1")

        del client  # it holds the error, and with it the traceback's frames
        gc.collect()
        assert noticed == []

    asyncio.run(scenario())
