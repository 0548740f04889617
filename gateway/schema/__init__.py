"""The GraphQL API: types, inputs, queries and mutations."""

import strawberry
from strawberry.schema.config import StrawberryConfig

from gateway.schema.context import Context
from gateway.schema.mutation import Mutation
from gateway.schema.query import Query
from gateway.schema.scalars import SCALARS

__all__ = ["Context", "create_schema"]


def create_schema() -> strawberry.Schema:
    """Return the schema."""
    return strawberry.Schema(Query, Mutation, config=StrawberryConfig(scalar_map=SCALARS))
