"""Invitations Gateway: a GraphQL API in front of Microsoft Graph's LinkedIn invitations API."""

__version__ = "0.1.0"
