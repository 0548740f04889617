"""The REST API behind the gateway: requests, answers, errors and retries."""

from gateway.invitations.client import COLLECTION, InvitationsClient
from gateway.invitations.failures import InvitationsError
from gateway.invitations.model import (
    INT64_MAX,
    INT64_MIN,
    InvitationMessage,
    InvitationMessageBody,
    InvitationV2,
    InvitationV2Body,
    InvitationV2Message,
    InvitationV2MessageBody,
    parse_int64,
)
from gateway.invitations.paging import InvitationSlice, Position
from gateway.invitations.tls import TlsError, tls_context
from gateway.invitations.transport import Transport

__all__ = [
    "COLLECTION",
    "INT64_MAX",
    "INT64_MIN",
    "InvitationMessage",
    "InvitationMessageBody",
    "InvitationSlice",
    "InvitationV2",
    "InvitationV2Body",
    "InvitationV2Message",
    "InvitationV2MessageBody",
    "InvitationsClient",
    "InvitationsError",
    "Position",
    "TlsError",
    "Transport",
    "parse_int64",
    "tls_context",
]
