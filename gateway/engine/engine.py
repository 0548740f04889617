"""The engine: prepares documents and runs their operations."""

from typing import TYPE_CHECKING

from gateway.engine.cache import Cache
from gateway.engine.document import Reader
from gateway.engine.errors import DocumentError, Formatter
from gateway.engine.limits import Limits
from gateway.engine.operation import Operation, Runner

if TYPE_CHECKING:
    import strawberry


class Engine:
    """Runs GraphQL operations on a Strawberry schema.

    Without `introspection`, `__schema` and `__type` are refused and no message gives the schema's names away.

    What documents were made into is kept in two caches, so that a flood of documents that come once cannot push out
    those in use: a new one is only *seen*, refused ones too; one that comes again is *kept*.
    """

    def __init__(
        self,
        schema: "strawberry.Schema",
        *,
        introspection: bool = True,
        limits: Limits = Limits(),  # noqa: B008  # it is immutable
    ) -> None:
        # Strawberry has no public way to the graphql-core schema that it builds; its own modules reach it like this.
        core = schema._schema  # noqa: SLF001
        formatter = Formatter(core, limits, introspection=introspection)
        self._reader = Reader(core, formatter, limits, introspection=introspection)
        self._runner = Runner(schema, core, formatter, limits, hide_suggestions=not introspection)
        # An operation takes about two hundred times the memory of its text: 40 MB at most, all told.
        self._kept: Cache[Operation] = Cache(entries=500, characters=100_000)
        self._seen: Cache[Operation | DocumentError] = Cache(entries=500, characters=100_000)

    def prepare(self, text: str, operation_name: str | None) -> Operation:
        """Make an operation of a document's text; raises DocumentError when it cannot be run."""
        key = (text, operation_name)
        kept = self._kept.get(key)
        if kept is not None:
            return kept
        seen = self._seen.get(key)
        if seen is None:
            seen = self._read(text, operation_name)
            self._seen.put(key, seen)
        elif isinstance(seen, Operation):
            self._seen.pop(key)
            self._kept.put(key, seen)
        if isinstance(seen, Operation):
            return seen
        # A new exception each time: raising one again and again makes its traceback longer and longer.
        raise DocumentError(seen.errors, seen.kind)

    def _read(self, text: str, operation_name: str | None) -> Operation | DocumentError:
        try:
            return Operation(self._reader.read(text, operation_name), self._runner)
        except DocumentError as error:
            return DocumentError(error.errors, error.kind)
