"""Fields whose resolvers return the values behind the GraphQL types."""

from collections.abc import Callable
from typing import Any

import strawberry


def resolved_by(resolver: Callable[..., object], graphql_type: object, description: str) -> Any:
    """Return a field of a GraphQL type whose resolver returns a different Python type.

    The return type is Any, as for `strawberry.field`, because the class annotates the attribute with the GraphQL type.
    """
    return strawberry.field(resolver=resolver, graphql_type=graphql_type, description=description)
