"""Custom scalars: 64-bit integers and dates."""

from datetime import UTC, datetime, timedelta
from typing import Any, NewType

import strawberry
from graphql import GraphQLError, IntValueNode, StringValueNode, ValueNode

from gateway.invitations import INT64_MAX, INT64_MIN, parse_int64

Int64 = NewType("Int64", int)
DateTime = NewType("DateTime", str)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EXPECTED = "Int64 must be a 64-bit integer, or a decimal string of one without leading zeros."


def serialize_int64(value: object) -> str:
    """Return a 64-bit integer as a decimal string. Raises GraphQLError for anything else."""
    return str(parse_int64_value(value))


def parse_int64_value(value: object) -> int:
    """Return the value of an integer or a canonical decimal string. Raises GraphQLError for anything else."""
    # Check the exact type: a bool is an int for isinstance, and an integral float has already lost digits.
    if type(value) is int and INT64_MIN <= value <= INT64_MAX:
        return value
    if isinstance(value, str):
        try:
            return parse_int64(value)
        except ValueError:
            pass
    raise GraphQLError(_EXPECTED)


def _parse_int64_literal(node: ValueNode, _variables: object = None) -> int:
    if isinstance(node, IntValueNode) and len(node.value) <= len(str(INT64_MIN)):
        return parse_int64_value(int(node.value))
    if isinstance(node, StringValueNode):
        return parse_int64_value(node.value)
    raise GraphQLError(_EXPECTED, node)


def date_time(milliseconds: int | None) -> DateTime | None:
    """Return milliseconds since the Unix epoch as RFC 3339 in UTC, or None outside the years 1 to 9999."""
    if milliseconds is None:
        return None
    try:
        moment = _EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        return None
    return DateTime(moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z")


SCALARS: dict[object, Any] = {
    Int64: strawberry.scalar(
        name="Int64",
        description=(
            "A signed 64-bit integer. In responses, a decimal string, because JavaScript numbers are exact only up to "
            "2^53. In input, an integer or a decimal string without plus sign, leading zeros or spaces."
        ),
        serialize=serialize_int64,
        parse_value=parse_int64_value,
        parse_literal=_parse_int64_literal,
    ),
    DateTime: strawberry.scalar(
        name="DateTime",
        description="A date and time in UTC with milliseconds (RFC 3339), such as `2017-01-17T16:49:48.434Z`.",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc3339",
        serialize=str,
    ),
}
