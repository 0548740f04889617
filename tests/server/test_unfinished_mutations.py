"""A mutation that the server cannot wait for any longer."""

import signal
import threading

import httpx
from support.gateway import LIMIT, TOKEN
from support.gateway_process import gateway_process
from support.scripted_upstream import ScriptedUpstream
from support.transports import GENEROUS
from support.upstream_faults import HANGING

CREATE = 'createInvitation(input: {inviter: "a", invitee: "b", message: {}}) { id }'


def test_a_mutation_that_outlasts_the_server_is_answered_as_unknown() -> None:
    answers: list[httpx.Response] = []

    def ask(url: str) -> None:
        fields = " ".join(f"m{number}: {CREATE}" for number in range(20))
        body = {"query": f"mutation {{ {fields} }}"}
        answers.append(httpx.post(f"{url}/graphql", json=body, headers={"Authorization": TOKEN}, timeout=LIMIT))

    with (
        ScriptedUpstream(HANGING["reads and hangs"]) as upstream,
        gateway_process("serve", UPSTREAM_URL=f"{upstream.url}/v1.0", UPSTREAM_TIMEOUT="0.5") as gateway,
    ):
        asking = threading.Thread(target=ask, args=(gateway.url,))
        asking.start()
        waiting = threading.Event()
        for _ in range(int(GENEROUS / 0.01)):
            if upstream.requests or waiting.wait(0.01):
                break
        gateway.command.stop(signal.SIGTERM)
        asking.join(LIMIT)
    (answer,) = answers
    assert answer.status_code == 503
    assert answer.json()["errors"] == [
        {
            "message": "The gateway shut down before the mutation completed.",
            "extensions": {"code": "INTERNAL_SERVER_ERROR", "outcome": "UNKNOWN"},
        }
    ]
