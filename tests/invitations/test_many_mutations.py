"""A document with many mutations: each failure has its own outcome."""

import pytest
from support.gateway import Gateway
from support.invitations_upstream import InvitationsUpstream, json_answer, replying
from support.scripted_upstream import answer

pytestmark = pytest.mark.quick

CREATE = 'createInvitation(input: {inviter: "a", invitee: "b", message: {}}) { id }'


def test_each_of_twenty_failed_mutations_has_its_own_outcome(gateway: Gateway, upstream: InvitationsUpstream) -> None:
    upstream.expect(replying(*[answer(409, b"{}")] * 12, *[answer(201, b"{}")] * 8))
    names = [f"m{number}" for number in range(20)]
    content = gateway.run("mutation {" + " ".join(f"{name}: {CREATE}" for name in names) + "}")
    told = {error["path"][0]: error["extensions"]["outcome"] for error in content["errors"]}
    assert list(told) == names
    assert [told[name] for name in names] == ["NOT_APPLIED"] * 12 + ["APPLIED"] * 8


def test_a_failed_mutation_does_not_erase_the_results_of_the_others(
    gateway: Gateway, upstream: InvitationsUpstream
) -> None:
    upstream.expect(
        lambda call: answer(409, b"") if call.json["inviter"] == "second" else json_answer(201, {"id": "made"})
    )
    fields = " ".join(
        f'{name}: createInvitation(input: {{inviter: "{name}", invitee: "b", message: {{}}}}) {{ id }}'
        for name in ("first", "second", "third")
    )

    content = gateway.run(f"mutation {{ {fields} }}")

    assert content["data"] == {"first": {"id": "made"}, "second": None, "third": {"id": "made"}}
    (error,) = content["errors"]
    assert error["path"] == ["second"]
    assert error["extensions"]["code"] == "CONFLICT"
    assert [call.json["inviter"] for call in upstream.calls] == ["first", "second", "third"]
