"""Responses that repeat the REST API's values many times."""

from reliability.hostile import client
from support.gateway import gateway_process
from support.invitations_upstream import InvitationsUpstream, Request, json_answer
from support.processes import need_proc

GROWTH = 80
"""Megabytes; without a limit, a quarter of these documents would take twice as much."""


def aliases(field: str, number: int) -> str:
    return " ".join(f"a{n}: {field}" for n in range(number))


PAGE = "invitations(first: 100, after: $after)"


BODIES = "nodes { message { invitationMessage { body } } }"


MULTIPLYING = [
    f"{PAGE} {{ {BODIES.replace('body', aliases('body', 50))} }}",
    f"{PAGE} {{ edges {{ {aliases('cursor', 50)} }} }}",
    f"{aliases(PAGE + ' { nodes { ...F } }', 4)} }} fragment F on InvitationV2 {{ {'x' * 45_000}: id",
]


def large_pages(url: str, call: Request) -> bytes:
    """Return a hundred invitations of 70,000 characters; the first page links to the next with a long token."""
    value = [{"id": str(n), "message": {"invitationMessage": {"body": "x" * 70_000}}} for n in range(100)]
    if "skiptoken" in call.target:
        return json_answer(200, {"value": value})
    return json_answer(200, {"value": value, "@odata.nextLink": f"{url}/linkedIn/invitations?$skiptoken={'y' * 4_000}"})


def test_a_response_that_repeats_a_value_many_times_is_not_serialized() -> None:
    need_proc()
    with InvitationsUpstream() as upstream:
        url = f"{upstream.url}/v1.0"
        upstream.expect(lambda call: large_pages(url, call))
        with gateway_process("serve", UPSTREAM_URL=url) as gateway, client(gateway) as asking:
            first = asking.run(f"{{ invitations(first: 100) {{ {BODIES} pageInfo {{ endCursor }} }} }}")
            assert len(first.body) > 7_000_000
            variables = {"after": first.json()["data"]["invitations"]["pageInfo"]["endCursor"]}
            before = gateway.resident("VmHWM")
            for selected in MULTIPLYING:
                for _ in range(3):
                    answer = asking.run(f"query ($after: String) {{ {selected} }}", variables)
                    assert answer.status == 200
                    content = answer.json()
                    assert content["data"] is None
                    assert [error["extensions"] for error in content["errors"]] == [{"code": "ANSWER_TOO_LARGE"}]
            assert gateway.resident("VmHWM") - before < GROWTH
