import base64
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from support.servers import serve_app

from gateway.sandbox import Store, create_app

pytestmark = pytest.mark.quick

PEOPLE = ("urn:li:person:", "urn:li:email:", "urn:li:phoneAccount:")


def pages(client: httpx.Client, url: str | None) -> Iterator[dict[str, Any]]:
    while url is not None:
        response = client.get(url)
        assert response.status_code == 200, response.text
        page: dict[str, Any] = response.json()
        yield page
        url = page.get("@odata.nextLink")


def ids(client: httpx.Client, url: str) -> list[str]:
    return [invitation["id"] for page in pages(client, url) for invitation in page["value"]]


def create(client: httpx.Client, url: str, invitation_id: str) -> None:
    body = {"id": invitation_id, "created": 1, "lastModified": 1, "inviter": "a", "invitee": "b", "trackingId": "t"}
    assert client.post(url, json=body | {"message": {}}).status_code == 201


def test_a_new_sandbox_holds_48_varied_invitations_in_the_order_of_creation(client: httpx.Client, url: str) -> None:
    found = [invitation for page in pages(client, f"{url}?$top=100") for invitation in page["value"]]
    assert len({invitation["id"] for invitation in found}) == 48
    created = [invitation["created"] for invitation in found]
    assert created == sorted(set(created))
    assert all(invitation["lastModified"] >= invitation["created"] for invitation in found)
    assert all(invitation["inviter"].startswith("urn:li:person:") for invitation in found)
    assert {invitation["invitee"].rpartition(":")[0] + ":" for invitation in found} == set(PEOPLE)
    messages = [invitation["message"] for invitation in found]
    assert None in messages
    parts = {(m["invitationTemplateID"] is None, m["invitationMessage"] is None) for m in messages if m}
    assert parts == {(False, False), (True, False), (False, True)}


def test_an_invitation_is_returned_without_an_envelope(client: httpx.Client, url: str) -> None:
    listed = client.get(f"{url}?$top=1").json()["value"][0]
    found = client.get(f"{url}/{listed['id']}")
    assert found.status_code == 200
    assert found.json() == {"@odata.context": url.replace("/linkedIn", "/$metadata#linkedIn") + "/$entity"} | listed


def test_an_unknown_id_is_not_found(client: httpx.Client, url: str) -> None:
    for path in ("nobody", "%F0%9F%99%82", "a%2Fb", ""):
        response = client.get(f"{url}/{path}")
        assert response.status_code == 404
        assert response.json()["error"]["code"] == "ResourceNotFound"


def test_a_path_id_is_decoded_once(client: httpx.Client, url: str) -> None:
    create(client, url, "a%2Fb")
    assert client.get(f"{url}/a%252Fb").json()["id"] == "a%2Fb"
    assert client.get(f"{url}/a%2Fb").status_code == 404
    assert client.get(f"{url}/a/b").status_code == 404


def test_pages_have_20_items_by_default_and_each_links_to_the_next(client: httpx.Client) -> None:
    with closing(Store()) as store, serve_app(create_app(store)) as base:
        url = f"{base}/v1.0/linkedIn/invitations"
        assert [len(page["value"]) for page in pages(client, url)] == [20, 20, 8]
        assert [len(page["value"]) for page in pages(client, f"{url}?$top=24")] == [24, 24]
        assert [len(page["value"]) for page in pages(client, f"{url}?$top=47")] == [47, 1]
        assert [len(page["value"]) for page in pages(client, f"{url}?$top=48")] == [48]
        assert ids(client, f"{url}?$top=1") == ids(client, f"{url}?$top=100")


def test_a_link_is_absolute_and_has_the_size_and_a_token(client: httpx.Client, url: str) -> None:
    page = client.get(f"{url}?$top=7", headers={"Host": "graph.example:8443"}).json()
    link = urlsplit(page["@odata.nextLink"])
    assert (link.scheme, link.netloc, link.path) == ("http", "graph.example:8443", "/v1.0/linkedIn/invitations")
    query = dict(parse_qsl(link.query))
    assert query.keys() == {"$top", "$skiptoken"}
    assert query["$top"] == "7"
    assert page["@odata.context"] == "http://graph.example:8443/v1.0/$metadata#linkedIn/invitations"


def test_a_size_over_100_is_reduced_to_100(client: httpx.Client) -> None:
    with closing(Store()) as store, serve_app(create_app(store)) as base:
        url = f"{base}/v1.0/linkedIn/invitations"
        for number in range(60):
            create(client, url, f"more {number}")
        assert [len(page["value"]) for page in pages(client, f"{url}?$top=5000")] == [100, 8]


def test_paging_is_stable_while_invitations_are_added(client: httpx.Client, url: str) -> None:
    before = ids(client, url)
    walk = pages(client, f"{url}?$top=10")
    seen = [invitation["id"] for invitation in next(walk)["value"]]
    create(client, url, "added meanwhile")
    seen += [invitation["id"] for page in walk for invitation in page["value"]]
    assert seen == [*before, "added meanwhile"]


@pytest.mark.parametrize("top", ["0", "-1", "1.5", "ten", "", "+5", "05", "9" * 5000, "٣", "1e2", " 1"])
def test_a_bad_size_is_refused(client: httpx.Client, url: str, top: str) -> None:
    response = client.get(url, params={"$top": top})
    assert response.status_code == 400
    assert "$top" in response.json()["error"]["message"]


@pytest.mark.parametrize(
    "token", ["", "x", "é", "AAAAAAAAAAA=", "AAAAAAAAAAAA", "AAAA", "AAAAAAAAAA*", "A" * 5000, "AAAAAAAAA\0A"]
)
def test_a_bad_token_is_refused(client: httpx.Client, url: str, token: str) -> None:
    response = client.get(url, params={"$skiptoken": token})
    assert response.status_code == 400
    assert "$skiptoken" in response.json()["error"]["message"]


@pytest.mark.parametrize("position", [-(2**63), -1, 2**63 - 1])
def test_a_token_out_of_range_is_not_a_server_error(client: httpx.Client, url: str, position: int) -> None:
    token = base64.urlsafe_b64encode(position.to_bytes(8, "big", signed=True)).decode().rstrip("=")
    response = client.get(url, params={"$skiptoken": token, "$top": "100"})
    assert response.status_code == 200
    assert (response.json()["value"] == []) == (position > 0)


def test_an_unsupported_query_option_is_refused_and_others_are_ignored(client: httpx.Client, url: str) -> None:
    response = client.get(url, params={"$filter": "inviter eq 'a'"})
    assert response.status_code == 400
    assert "$filter" in response.json()["error"]["message"]
    assert client.get(url, params={"anything": "1"}).status_code == 200
