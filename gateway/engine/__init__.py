"""Prepares and runs GraphQL operations: a document is prepared once and run many times."""

from gateway.engine.engine import Engine
from gateway.engine.errors import DocumentError
from gateway.engine.limits import Limits
from gateway.engine.operation import Operation
from gateway.engine.result import Result

__all__ = ["DocumentError", "Engine", "Limits", "Operation", "Result"]
