"""Count which operations a plan runs, and which graphql-core."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import graphql

from gateway.engine import operation
from gateway.engine import plan as plans


@dataclass(slots=True)
class Runs:
    """The counts of one block."""

    by_core: int = 0
    """Runs of graphql-core, including those that a plan handed over."""
    plans: int = 0
    """Compiled plans."""


@contextmanager
def counted_runs() -> Iterator[Runs]:
    """Count the compiled plans and the runs of graphql-core."""
    runs = Runs()
    original = plans.compile_for

    def compile_for(*arguments: Any) -> Any:
        plan = original(*arguments)
        runs.plans += plan is not None
        return plan

    def execute(*arguments: Any, **options: Any) -> Any:
        runs.by_core += 1
        return graphql.execute(*arguments, **options)

    with patch.object(plans, "compile_for", compile_for), patch.object(operation, "execute", execute):
        yield runs
