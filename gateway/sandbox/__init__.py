"""The invitations REST API, embedded: what Microsoft Graph serves under `/v1.0/linkedIn/invitations`, on SQLite.

It is for developing and testing against, stands alone, and needs no account.
`sandbox.errors` lists the refusals that a caller can provoke.
"""

from gateway.sandbox.app import SANDBOX_TOKEN, create_app, routes
from gateway.sandbox.store import Store, StoreError

__all__ = ["SANDBOX_TOKEN", "Store", "StoreError", "create_app", "routes"]
