"""Removes the client's strings, and the names of a hidden schema, from error messages.

Invitation texts and tokens arrive as strings, in documents and in variables, and graphql-core's messages repeat them.
Numbers, booleans and names remain, so that a message still says what is wrong.
"""

import re
from collections.abc import Iterator, Mapping
from itertools import islice

from graphql import GraphQLError, GraphQLSchema, Lexer, Source, TokenKind
from graphql.pyutils import inspect

from gateway.engine.graphql_internals import LEXICAL, LEXICAL_IN_DOUBT, SUGGESTION, unlink_tokens

_LITERAL = re.compile(r'"""(?:\\"""|.)*?"""|"(?:[^"\\]|\\.)*"', re.DOTALL)
_NAME = re.compile(r"[_A-Za-z][_0-9A-Za-z]*")
_QUOTED = re.compile(r"'[^']*'")
_SHORT = 4
"""Shorter strings are hidden only in quotes: elsewhere, they would match parts of words."""
_BUILT_IN = frozenset({"Boolean", "Float", "ID", "Int", "String"})


class Redactor:
    """Redacts the messages of one request. Create it only if there are any."""

    def __init__(
        self, text: str, variables: Mapping[str, object] | None, max_tokens: int, names: "SchemaNames"
    ) -> None:
        strings: set[str] = set()
        known: set[str] = set()
        for kind, value in islice(_tokens(text), max_tokens):
            (known if kind is TokenKind.NAME else strings).add(value)
        for value, is_key in _variable_strings(variables or {}):
            (known if is_key and _NAME.fullmatch(value) else strings).add(value)
        strings.discard("")
        quoted = {form for value in strings for form in (inspect(value), f"'{value}'")}
        bare = {value for value in strings - known if len(value) >= _SHORT}
        # Longest first: a string can be part of another.
        self._forms = [(form, '"…"') for form in sorted(quoted, key=len, reverse=True)]
        self._forms += [(form, "…") for form in sorted(bare, key=len, reverse=True)]
        self._types = names.types - known
        self._names = names.all - known

    def __call__(self, message: str) -> str:
        """Return a message of validation or coercion without the client's strings and hidden names."""
        for form, hidden in self._forms:
            if form in message:
                message = message.replace(form, hidden)
        message = _LITERAL.sub('"…"', message)
        if self._types:
            message = _hide(SUGGESTION.sub("", message), self._types)
        if self._names:
            message = _QUOTED.sub(lambda quoted: _hide(quoted[0], self._names), message)
        return message


def redact_syntax_error(error: GraphQLError) -> str:
    """Return the message of a syntax error without the string that it may quote.

    After a quotation mark, a name may be a word of a string that contains an unescaped quotation mark.
    """
    message = LEXICAL.sub(r"\1.", error.message)
    (position,) = error.positions or (0,)
    if error.source and '"' in error.source.body[:position]:
        message = LEXICAL_IN_DOUBT.sub(r"\1.", message)
    return message


class SchemaNames:
    """The names that messages could reveal about a schema; none if introspection shows them anyway."""

    def __init__(self, schema: GraphQLSchema, *, introspection: bool) -> None:
        self.types: frozenset[str] = frozenset()
        self.all: frozenset[str] = frozenset()
        if not introspection:
            types = {name for name in schema.type_map if not name.startswith("__")} - _BUILT_IN
            self.types = frozenset(types)
            self.all = frozenset(types.union(*(_members(schema, name) for name in types)))


def _members(schema: GraphQLSchema, type_name: str) -> Iterator[str]:
    type_ = schema.type_map[type_name]
    for name, field in getattr(type_, "fields", {}).items():
        yield name
        yield from getattr(field, "args", ())
    yield from getattr(type_, "values", ())


def _hide(text: str, names: frozenset[str]) -> str:
    return _NAME.sub(lambda word: "…" if word[0] in names else word[0], text)


def _tokens(text: str) -> Iterator[tuple[TokenKind, str]]:
    lexer = Lexer(Source(text))
    try:
        while (token := lexer.advance()).kind is not TokenKind.EOF:
            if token.kind in {TokenKind.NAME, TokenKind.STRING, TokenKind.BLOCK_STRING}:
                yield token.kind, token.value or ""
    except GraphQLError:
        return
    finally:
        unlink_tokens(lexer)


def _variable_strings(variables: Mapping[str, object]) -> Iterator[tuple[str, bool]]:
    """Yield each string in the variables, and whether it is the key of an object."""
    rest: list[object] = [dict(variables)]
    while rest:
        value = rest.pop()
        if isinstance(value, str):
            yield value, False
        elif isinstance(value, list):
            rest.extend(value)
        elif isinstance(value, dict):
            rest.extend(value.values())
            yield from ((key, True) for key in value if isinstance(key, str))
