"""The same API, written as the documentation of Strawberry and httpx suggests, to compare with the gateway.

`UPSTREAM` is the REST API's base URL. If `CACHED` is set, documents are parsed and validated once, and the REST client
is aiohttp, with msgspec to decode the responses. Connections are unlimited, as the Node servers' are: by default, httpx
and aiohttp open at most 100, and httpx gives up a request that waited for one for five seconds.
"""

import os
from typing import Any, NewType, Protocol

import aiohttp
import httpx
import msgspec
import strawberry
from strawberry.asgi import GraphQL
from strawberry.extensions import ParserCache, ValidationCache
from strawberry.schema.config import StrawberryConfig

CACHED = "CACHED" in os.environ
COLLECTION = f"{os.environ['UPSTREAM']}/linkedIn/invitations"
TIMEOUT = 30.0

Int64 = NewType("Int64", int)


@strawberry.type
class InvitationMessage:
    body: str | None


@strawberry.type
class InvitationV2Message:
    invitation_template_id: str | None = strawberry.field(name="invitationTemplateID")
    invitation_message: InvitationMessage | None


@strawberry.type
class InvitationV2:
    id: strawberry.ID
    created: Int64 | None
    last_modified: Int64 | None
    inviter: str | None
    invitee: str | None
    message: InvitationV2Message | None
    tracking_id: str | None


@strawberry.type
class InvitationConnection:
    nodes: list[InvitationV2]


@strawberry.input
class InvitationMessageInput:
    body: str | None = None


@strawberry.input
class InvitationV2MessageInput:
    invitation_template_id: str | None = strawberry.field(name="invitationTemplateID", default=None)
    invitation_message: InvitationMessageInput | None = None


@strawberry.input
class CreateInvitationInput:
    inviter: str
    invitee: str
    message: InvitationV2MessageInput
    tracking_id: str | None = None


class RestClient(Protocol):
    """Sends one request to the invitations API."""

    async def call(self, method: str, url: str, authorization: str, content: object = None) -> Any: ...


class Httpx:
    """Uses `httpx.AsyncClient`."""

    def __init__(self) -> None:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        self._client = httpx.AsyncClient(limits=limits, timeout=TIMEOUT)

    async def call(self, method: str, url: str, authorization: str, content: object = None) -> Any:
        answer = await self._client.request(method, url, json=content, headers={"Authorization": authorization})
        answer.raise_for_status()
        return answer.json()


class Aiohttp:
    """Uses `aiohttp.ClientSession`."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def call(self, method: str, url: str, authorization: str, content: object = None) -> Any:
        if self._session is None:  # It must be created while the event loop runs.
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        headers = {"Authorization": authorization}
        async with self._session.request(method, url, json=content, headers=headers, raise_for_status=True) as answer:
            return msgspec.json.decode(await answer.read())


rest: RestClient = Aiohttp() if CACHED else Httpx()


def authorization(info: strawberry.Info) -> str:
    return str(info.context["request"].headers["authorization"])


def invitation_of(content: dict[str, Any]) -> InvitationV2:
    message = content["message"]
    return InvitationV2(
        id=content["id"],
        created=content["created"],
        last_modified=content["lastModified"],
        inviter=content["inviter"],
        invitee=content["invitee"],
        message=InvitationV2Message(
            invitation_template_id=message["invitationTemplateID"],
            invitation_message=InvitationMessage(body=message["invitationMessage"]["body"]),
        ),
        tracking_id=content["trackingId"],
    )


@strawberry.type
class Query:
    @strawberry.field
    async def invitation(self, info: strawberry.Info, id: strawberry.ID) -> InvitationV2 | None:
        return invitation_of(await rest.call("GET", f"{COLLECTION}/{id}", authorization(info)))

    @strawberry.field
    async def invitations(self, info: strawberry.Info, first: int = 20) -> InvitationConnection:
        page = await rest.call("GET", f"{COLLECTION}?$top={first}", authorization(info))
        return InvitationConnection(nodes=[invitation_of(one) for one in page["value"]])


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def create_invitation(self, info: strawberry.Info, input: CreateInvitationInput) -> InvitationV2 | None:
        message = input.message.invitation_message
        content = {
            "inviter": input.inviter,
            "invitee": input.invitee,
            "trackingId": input.tracking_id,
            "message": {
                "invitationTemplateID": input.message.invitation_template_id,
                "invitationMessage": {"body": message.body} if message else None,
            },
        }
        return invitation_of(await rest.call("POST", COLLECTION, authorization(info), content))


schema = strawberry.Schema(
    Query,
    Mutation,
    config=StrawberryConfig(
        scalar_map={Int64: strawberry.scalar(name="Int64", serialize=str, parse_value=int)},
    ),
    extensions=[ParserCache, ValidationCache] if CACHED else [],
)
app = GraphQL(schema)
