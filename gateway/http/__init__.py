"""GraphQL over HTTP: which requests are accepted, and how they are answered."""

from gateway.http.endpoint import GraphQLEndpoint

__all__ = ["GraphQLEndpoint"]
