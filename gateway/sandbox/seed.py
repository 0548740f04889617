"""The sample invitations of a new sandbox: fictitious, always the same, and as varied as real ones."""

import base64
from collections.abc import Iterator
from uuid import NAMESPACE_URL, UUID, uuid5

from gateway.sandbox.model import InvitationMessage, InvitationV2, InvitationV2Message

COUNT = 48
# 2026-01-05T08:30:00Z, in milliseconds since the epoch
FIRST_CREATED = 1_767_601_800_000
MINUTE = 60_000

INVITERS = ("Ines Carvalho", "Tomasz Nowak", "Amara Okafor", "Linnea Berg", "Rahul Deshmukh", "Chloé Martin")

EMAIL_INVITEES = (
    "j.whitfield@example.com",
    "mei.tanaka@example.org",
    "sorina.popescu@example.net",
    "luca.bianchi@example.com",
    "a.haddad@example.org",
    "freya.nielsen@example.net",
)

TEMPLATES = ("generic-connect", "met-at-event", "former-colleague", "alumni-network", "recruiter-outreach")

TEXTS = (
    "It was good to meet you at the data engineering meetup in Porto. Shall we stay in touch?",
    "Your talk on schema design answered a question I have had for months. I would be glad to connect.",
    "We worked on the billing migration together in 2019. How have you been?",
    "I lead the platform team here, and we are looking for somebody with your background. May I tell you more?",
    "Bonjour ! Je prépare une table ronde sur l'accessibilité et votre avis m'intéresse beaucoup.",
    "Hi, Joanna said that you know more about kayaking in Norway than anybody. I have questions 🙂",
    "Wir haben beide in Graz studiert. Ich freue mich auf den Austausch!",
    "Thank you for the review of my pull request.\nI would like to follow what you build next.",
    "来月の勉強会でご一緒できるのを楽しみにしています。",
    "Could I ask you for ten minutes on how you moved your team to trunk-based development?",
    'I am new in town and collect coffee recommendations from people who write "coffee first" in their profile.',
)


def invitations() -> Iterator[InvitationV2]:
    """Yield COUNT invitations in order of creation."""
    created = FIRST_CREATED
    for number in range(COUNT):
        # Uneven steps, from minutes to a day and a half
        created += (7 + number * 389 % 2160) * MINUTE + number * 137
        yield InvitationV2(
            id=_id(number),
            created=created,
            lastModified=created if number % 3 else created + (1 + number * 53 % 700) * MINUTE,
            inviter=_person(INVITERS[number % len(INVITERS)]),
            invitee=_invitee(number),
            message=_message(number),
            trackingId=base64.b64encode(_uuid(f"tracking/{number}").bytes).decode(),
        )


def _id(number: int) -> str:
    # Mostly UUIDs, as on the pages; some URNs, as in LinkedIn's own schema
    if number % 6 == 5:
        return f"urn:li:invitation:{6_871_234_567_890_000_000 + number * 1_048_583}"
    return str(_uuid(f"invitation/{number}"))


def _invitee(number: int) -> str:
    if number % 4 == 1:
        return f"urn:li:email:{EMAIL_INVITEES[number // 4 % len(EMAIL_INVITEES)]}"
    if number % 16 == 7:
        return f"urn:li:phoneAccount:{910_000 + number}"
    return _person(f"invitee {number}")


def _message(number: int) -> InvitationV2Message | None:
    if number % 9 == 4:
        return None
    text = InvitationMessage(TEXTS[number % len(TEXTS)])
    template = TEMPLATES[number % len(TEMPLATES)]
    if number % 7 == 3:
        return InvitationV2Message(template, None)
    if number % 7 == 5:
        return InvitationV2Message(None, text)
    return InvitationV2Message(template, text)


def _person(name: str) -> str:
    # The length and alphabet of LinkedIn's person ids
    return f"urn:li:person:{base64.urlsafe_b64encode(_uuid(name).bytes).decode()[:10]}"


def _uuid(name: str) -> UUID:
    return uuid5(NAMESPACE_URL, f"https://sandbox.example/{name}")
