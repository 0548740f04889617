"""How large an answer becomes, before it is written.

A page of the REST API is bounded, and so is an answer that has each value once or twice. An alias lets a document have
one value many times: in memory these are one, in JSON they are not.
"""

import msgspec
from graphql import DocumentNode, FieldNode

from gateway.engine.document import selection_sets

_LONG_ALIAS = 100
_NUMBER = 20
_encode = msgspec.json.Encoder().encode


def multiplies(document: DocumentNode) -> bool:
    """Say whether a document selects some field under several names, or under a long one."""
    names: dict[str, str] = {}
    for selection_set in selection_sets(document):
        for node in selection_set.selections:
            if isinstance(node, FieldNode):
                key = node.alias.value if node.alias else node.name.value
                if names.setdefault(node.name.value, key) != key or (node.alias and len(key) > _LONG_ALIAS):
                    return True
    return False


def is_larger(data: object, limit: int) -> bool:
    """Say whether data that is ready for JSON takes more than so many bytes in it."""
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
