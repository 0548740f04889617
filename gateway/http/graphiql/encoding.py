"""Which content coding a client prefers (RFC 9110, section 12.5.3)."""


def best_coding(accept_encoding: str, available: tuple[str, ...]) -> str | None:
    """Choose the available coding of the greatest weight, the first one among equals; `None` is no coding at all."""
    weights = dict(_weight(item) for item in accept_encoding.lower().split(","))
    anything = weights.get("*", 0.0)
    best = max(available, key=lambda coding: weights.get(coding, anything))
    return best if weights.get(best, anything) > 0 else None


def _weight(item: str) -> tuple[str, float]:
    coding, _, parameter = item.partition(";")
    name, _, value = parameter.partition("=")
    try:
        weight = float(value) if name.strip() == "q" else 1.0
    except ValueError:
        weight = 0.0
    return coding.strip(), weight
