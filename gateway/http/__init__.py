"""GraphQL over HTTP: which requests are let in, and what they are answered with."""

from gateway.http.endpoint import GraphQLEndpoint

__all__ = ["GraphQLEndpoint"]
