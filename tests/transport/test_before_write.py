"""A request can be given up right before it is written."""

import pytest
from support.scripted_upstream import ScriptedUpstream, answer, answering
from support.transports import LOOPS, Run, new_transport, request_to

pytestmark = pytest.mark.quick


class GivenUpError(Exception):
    pass


def give_up() -> None:
    raise GivenUpError


@pytest.mark.parametrize("run", LOOPS.values(), ids=LOOPS)
def test_a_request_that_is_given_up_is_not_written_and_its_connection_serves_the_next(run: Run) -> None:
    async def main() -> None:
        with ScriptedUpstream(answering(answer(200, b"{}"))) as upstream:
            async with new_transport(upstream.url, max_connections=1) as transport:
                for _ in range(3):
                    with pytest.raises(GivenUpError):
                        await transport.handle_async_request(request_to(upstream.url, before_write=give_up))
                    assert transport.connections == {"open": 1, "idle": 1, "opening": 0, "waiting": 0}
                called: list[None] = []
                request = request_to(upstream.url, before_write=lambda: called.append(None))
                assert (await transport.handle_async_request(request)).status_code == 200
            assert len(upstream.requests) == len(called) == 1
            assert upstream.accepted == 1

    run(main())
