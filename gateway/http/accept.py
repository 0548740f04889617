"""Which media type an answer has: RFC 9110, section 12.5.1, and GraphQL over HTTP, "Legacy Watershed"."""

from dataclasses import dataclass
from functools import lru_cache

GRAPHQL_RESPONSE = "application/graphql-response+json"
JSON = "application/json"
HTML = "text/html"


@dataclass(frozen=True, slots=True)
class _Range:
    """One media range of an `Accept` header."""

    type: str
    quality: float


@lru_cache(maxsize=256)
def negotiate(accept: str) -> str | None:
    """Choose the media type of a GraphQL answer; None when none is acceptable.

    Without a header, or with an empty one, it is `application/json`, as it is where only a wildcard matches; between
    two types that are named and liked equally it is `application/graphql-response+json`.
    """
    ranges = _parse(accept)
    if not ranges:
        return JSON
    candidates = [
        (*_preference(ranges, GRAPHQL_RESPONSE, named=1, wildcard=0), GRAPHQL_RESPONSE),
        (*_preference(ranges, JSON, named=0, wildcard=1), JSON),
    ]
    quality, *_, best = max(candidates)
    return best if quality > 0 else None


@lru_cache(maxsize=256)
def names_html(accept: str) -> bool:
    """Say whether the client asks for HTML by name, as a browser does that opens a page."""
    return any(accepted.type == HTML and accepted.quality > 0 for accepted in _parse(accept))


def _preference(ranges: list[_Range], media_type: str, *, named: int, wildcard: int) -> tuple[float, int, int]:
    """Return the quality of the most specific range that matches, how specific it is, and what breaks a tie."""
    spellings = (media_type, "application/*", "*/*")
    for specificity, spelling in zip((2, 1, 0), spellings, strict=True):
        matching = [accepted.quality for accepted in ranges if accepted.type == spelling]
        if matching:
            return max(matching), specificity, named if specificity == 2 else wildcard
    return 0.0, 0, 0


def _parse(accept: str) -> list[_Range]:
    return [_range(text) for text in accept.split(",") if text.strip()]


def _range(text: str) -> _Range:
    media_type, *parameters = (part.strip().lower() for part in text.split(";"))
    quality = 1.0
    for parameter in parameters:
        name, _, value = (part.strip() for part in parameter.partition("="))
        if name == "charset" and value.strip('"') not in ("utf-8", "utf8"):
            quality = 0.0
        elif name == "q":
            quality = min(quality, _quality(value))
    return _Range(media_type, quality)


def _quality(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if 0 <= value <= 1 else 0.0
