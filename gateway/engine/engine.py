"""Prepares documents and runs their operations."""

from sys import getsizeof
from typing import TYPE_CHECKING

from graphql import GraphQLError

from gateway.engine.cache import Cache, Key
from gateway.engine.document import Reader
from gateway.engine.errors import DocumentError, Formatter
from gateway.engine.limits import Limits
from gateway.engine.operation import Operation, Runner
from gateway.engine.strawberry_internals import core_schema, ignored_parts
from gateway.errors import ErrorCode

if TYPE_CHECKING:
    import strawberry

MAX_CACHE = 20_000_000
"""Maximum bytes of each of the two caches."""


class Engine:
    """Runs GraphQL operations on a Strawberry schema.

    Without `introspection`, `__schema` and `__type` are refused, and no message reveals the schema's names.

    Two caches hold prepared documents, so that a flood of one-time documents cannot evict those in use: a new document,
    valid or not, is only *seen*; a valid one that is requested again is *kept*.
    """

    def __init__(
        self,
        schema: "strawberry.Schema",
        *,
        introspection: bool = True,
        limits: Limits = Limits(),  # noqa: B008 (it is immutable)
    ) -> None:
        """Raise ValueError for a schema with parts that the engine would ignore."""
        ignored = ignored_parts(schema)
        if ignored:
            message = f"The engine does not support these parts of the schema: {', '.join(ignored)}. Remove them."
            raise ValueError(message)
        core = core_schema(schema)
        self._limits = limits
        self._formatter = Formatter(core, limits, introspection=introspection)
        self._reader = Reader(core, self._formatter, limits, introspection=introspection)
        self._runner = Runner(schema, core, self._formatter, limits, hide_suggestions=not introspection)
        self._kept: Cache[Operation] = Cache(entries=500, size=MAX_CACHE)
        self._seen: Cache[Operation | DocumentError] = Cache(entries=500, size=MAX_CACHE)

    def prepare(self, text: str, operation_name: str | None) -> Operation:
        """Return the requested operation of a document. Raises DocumentError if it cannot be run."""
        key = (text, operation_name)
        kept = self._kept.get(key)
        if kept is not None:
            return kept
        self._check_lengths(text, operation_name)
        seen = self._seen.get(key)
        if seen is None:
            seen = self._read(text, operation_name)
            self._seen.put(key, seen, _size(key, seen))
        elif isinstance(seen, Operation):
            self._seen.pop(key)
            self._kept.put(key, seen, _size(key, seen))
        if isinstance(seen, Operation):
            return seen
        # A new exception each time: the traceback of a cached one would grow whenever it is raised.
        raise DocumentError(seen.errors, seen.kind)

    def _check_lengths(self, text: str, operation_name: str | None) -> None:
        """Raise DocumentError if the text is too long to parse, or the name too long to cache."""
        if len(text) > self._limits.characters:
            message = f"The document is too long: at most {self._limits.characters} characters are allowed."
            code = ErrorCode.GRAPHQL_VALIDATION_FAILED
        elif operation_name is not None and len(operation_name) > self._limits.name_characters:
            message = f"operationName is too long: at most {self._limits.name_characters} characters are allowed."
            code = ErrorCode.BAD_REQUEST
        else:
            return
        raise DocumentError(self._formatter.request_errors([GraphQLError(message)], code, "", None))

    def _read(self, text: str, operation_name: str | None) -> Operation | DocumentError:
        try:
            return Operation(self._reader.read(text, operation_name), self._runner)
        except DocumentError as error:
            return DocumentError(error.errors, error.kind)


def _size(key: Key, made: Operation | DocumentError) -> int:
    """Return the estimated bytes of an entry. Measured: dicts of small values take ten times their text."""
    content = made.size if isinstance(made, Operation) else 1_000 + 12 * len(repr(made.errors))
    return content + getsizeof(key[0]) + getsizeof(key[1])
