"""Fields whose resolvers return the values behind the GraphQL types."""

from collections.abc import Callable
from typing import Any

import strawberry


def resolved_by(resolver: Callable[..., object], graphql_type: object, description: str) -> Any:
    """Make a field of that GraphQL type whose resolver returns a value of another Python type.

    The result is Any, as with `strawberry.field`: it stands where the class's annotation tells the GraphQL type.
    """
    return strawberry.field(resolver=resolver, graphql_type=graphql_type, description=description)
