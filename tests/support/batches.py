"""Calls of `createInvitations`."""

from typing import Any

CREATE_ALL = """mutation Team($inputs: [CreateInvitationInput!]!) {
  createInvitations(inputs: $inputs) {
    results {
      index
      invitation { id created createdAt inviter invitee trackingId message { invitationMessage { body } } }
      error { code outcome message status upstreamCode retryAfter claims trackingId requestId clientRequestId }
    }
  }
}"""


def inputs(count: int, **more: object) -> list[dict[str, Any]]:
    """Return inputs whose tracking ids are their positions."""
    return [
        {"inviter": "urn:li:person:a", "invitee": f"urn:li:person:{it}", "message": {}, "trackingId": str(it), **more}
        for it in range(count)
    ]


def results_of(data: Any) -> list[dict[str, Any]]:
    """Return the results in an answer's data. Each has either an invitation or an error."""
    results: list[dict[str, Any]] = data["createInvitations"]["results"]
    assert [it["index"] for it in results] == list(range(len(results)))
    assert all((it["invitation"] is None) is not (it["error"] is None) for it in results)
    return results


def outcomes(results: list[dict[str, Any]]) -> list[str]:
    """Return `created`, or the outcome, of each result."""
    return [it["error"]["outcome"] if it["error"] else "created" for it in results]


CREATE_ALL_ONCE = CREATE_ALL.replace("Team($inputs", "Team($key: String, $inputs").replace(
    "(inputs: $inputs)", "(inputs: $inputs, idempotencyKey: $key)"
)


def codes(results: list[dict[str, Any]]) -> list[str]:
    """Return `created`, or the code, of each result."""
    return [it["error"]["code"] if it["error"] else "created" for it in results]
