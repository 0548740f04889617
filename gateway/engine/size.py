"""Measures a response before it is encoded.

REST responses are limited, and so is a response that contains each value once or twice. With aliases, a document can
repeat a value many times: in memory all share one copy, in JSON each is written out.
"""

import msgspec
from graphql import DocumentNode, FieldNode

from gateway.engine.document import selection_sets

_LONG_ALIAS = 100
_NUMBER = 20
_encode = msgspec.json.Encoder().encode


def multiplies(document: DocumentNode) -> bool:
    """Return whether a document selects a field under several names, or under a long one."""
    names: dict[str, str] = {}
    for selection_set in selection_sets(document):
        for node in selection_set.selections:
            if isinstance(node, FieldNode):
                key = node.alias.value if node.alias else node.name.value
                if names.setdefault(node.name.value, key) != key or (node.alias and len(key) > _LONG_ALIAS):
                    return True
    return False


def is_larger(data: object, limit: int) -> bool:
    """Return whether data takes more than `limit` bytes when encoded as JSON."""
    sizes: dict[str, int] = {}
    rest = [data]
    while rest and limit >= 0:
        value = rest.pop()
        if isinstance(value, str):
            size = sizes.get(value)
            if size is None:
                size = sizes[value] = len(_encode(value))
            limit -= size
        elif isinstance(value, dict):
            limit -= sum(map(len, value)) + 4 * len(value) + 2
            rest.extend(value.values())
        elif isinstance(value, list):
            limit -= len(value) + 2
            rest.extend(value)
        else:
            limit -= _NUMBER
    return limit < 0
