"""A client for the invitations REST API: requests, responses, errors and retries."""

from gateway.invitations.batch import Created
from gateway.invitations.caller import Caller
from gateway.invitations.client import COLLECTION, CallerClient, InvitationsClient, Read, Send
from gateway.invitations.failures import InvitationsError, shown_tracking_id
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
from gateway.invitations.throttle import Throttle

__all__ = [
    "COLLECTION",
    "INT64_MAX",
    "INT64_MIN",
    "Caller",
    "CallerClient",
    "Created",
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
    "Read",
    "Send",
    "Throttle",
    "parse_int64",
    "shown_tracking_id",
]
