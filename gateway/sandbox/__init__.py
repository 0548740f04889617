"""An embedded sandbox of the REST API that Microsoft Graph serves at `/v1.0/linkedIn/invitations`, on SQLite.

It is for development and tests, runs on its own and needs no account.
`sandbox.errors` lists the errors that a caller can provoke.
"""

from gateway.sandbox.app import SANDBOX_TOKEN, create_app, routes
from gateway.sandbox.store import Store, StoreError

__all__ = ["SANDBOX_TOKEN", "Store", "StoreError", "create_app", "routes"]
