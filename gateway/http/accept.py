"""Content negotiation: RFC 9110, sections 12.4 and 12.5, and GraphQL over HTTP, "Legacy Watershed"."""

import re
from functools import lru_cache
from typing import Final

GRAPHQL_RESPONSE = "application/graphql-response+json"
JSON = "application/json"
HTML = "text/html"
IDENTITY = "identity"

MAX_READ = 1000
"""Maximum number of characters read of an `Accept-Encoding` header: more than any client sends."""

# A weight above 0 (RFC 9110, section 12.4.2); Java's HttpURLConnection omits the 0 before the point.
_WEIGHT: Final = re.compile(r"q=(0?\.[0-9]{1,3}|1(?:\.0{0,3})?)")


@lru_cache(maxsize=256)
def negotiate(accept: str) -> str | None:
    """Return the media type of a GraphQL response, or None if no supported type is acceptable.

    The default, for a missing or empty header, is `application/json`. If both types have the same weight, the result is
    `application/graphql-response+json` if the header names it, else `application/json`.
    """
    weights = _weights(accept)
    if not weights:
        return JSON
    anything = weights.get("application/*", weights.get("*/*", 0.0))
    graphql = weights.get(GRAPHQL_RESPONSE, anything)
    json = weights.get(JSON, anything)
    if not graphql and not json:
        return None
    if graphql == json:
        return GRAPHQL_RESPONSE if GRAPHQL_RESPONSE in weights else JSON
    return GRAPHQL_RESPONSE if graphql > json else JSON


@lru_cache(maxsize=256)
def names_html(accept: str) -> bool:
    """Return whether the client asks for HTML by name, as a browser does when it opens a page."""
    return _weights(accept).get(HTML, 0.0) > 0


def best_coding(accept_encoding: str, available: tuple[str, ...]) -> str:
    """Return the content coding with the highest weight, the first among equals.

    If the client accepts none, not even `identity`, return `identity` all the same: a 406 would not help.
    """
    if len(accept_encoding) > MAX_READ:
        accept_encoding = accept_encoding[:MAX_READ].rpartition(",")[0]  # do not cut an item: `br;q=0` is not `br`
    weights = _weights(accept_encoding)
    anything = weights.get("*", 0.0)
    best = max((*available, IDENTITY), key=lambda coding: weights.get(coding, anything))
    return best if weights.get(best, anything) > 0 else IDENTITY


def _weights(header: str) -> dict[str, float]:
    """Return the weight of each media range or content coding in a header, the highest if one is repeated."""
    weights: dict[str, float] = {}
    for item in header.lower().split(","):
        name, *parameters = (part.strip() for part in item.split(";"))
        if name:
            weights[name] = max(weights.get(name, 0.0), _weight(parameters))
    return weights


def _weight(parameters: list[str]) -> float:
    """Return the weight of one item: 0 if it is malformed, or names a charset other than UTF-8."""
    weight = 1.0
    for parameter in parameters:
        name, _, value = (part.strip() for part in parameter.partition("="))
        if name == "charset" and value.strip('"') not in ("utf-8", "utf8"):
            weight = 0.0
        elif name == "q":
            found = _WEIGHT.fullmatch(parameter)
            weight = min(weight, float(found[1]) if found else 0.0)
    return weight
