"""What a document and its variables may cost, decided before anything is computed."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on documents and variables; each refusal names the bound and its value."""

    tokens: int = 2_000
    """Lexical tokens of a document: GraphiQL's introspection query has about 250."""
    errors: int = 20
    """Errors reported in one answer: a person mends the first few."""
