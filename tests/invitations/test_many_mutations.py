"""A document of many mutations: each failure is told with its own outcome."""

from support.gateway import Gateway
from support.invitations_upstream import InvitationsUpstream, replying
from support.scripted_upstream import answer

CREATE = 'createInvitation(input: {inviter: "a", invitee: "b", message: {}}) { id }'


def test_every_one_of_twenty_failed_mutations_tells_its_own_outcome(
    gateway: Gateway, upstream: InvitationsUpstream
) -> None:
    upstream.expect(replying(*[answer(409, b"{}")] * 12, *[answer(201, b"{}")] * 8))
    names = [f"m{number}" for number in range(20)]
    content = gateway.run("mutation {" + " ".join(f"{name}: {CREATE}" for name in names) + "}")
    told = {error["path"][0]: error["extensions"]["outcome"] for error in content["errors"]}
    assert list(told) == names
    assert [told[name] for name in names] == ["NOT_APPLIED"] * 12 + ["APPLIED"] * 8
