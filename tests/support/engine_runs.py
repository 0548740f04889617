"""Who runs the engine's operations: a plan, or graphql-core."""

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
    """Counts of one stretch of time."""

    by_core: int = 0
    """Runs of graphql-core, those to which a plan handed over included."""
    plans: int = 0
    """Plans that were made."""


@contextmanager
def counted_runs() -> Iterator[Runs]:
    """Count the plans that are made, and what graphql-core runs."""
    runs = Runs()

    def compile_plan(*arguments: Any) -> Any:
        plan = plans.compile_plan(*arguments)
        runs.plans += plan is not None
        return plan

    def execute(*arguments: Any, **options: Any) -> Any:
        runs.by_core += 1
        return graphql.execute(*arguments, **options)

    with patch.object(operation, "compile_plan", compile_plan), patch.object(operation, "execute", execute):
        yield runs
