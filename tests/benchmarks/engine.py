"""CPU time of the engine compared with graphql-core and Strawberry, without HTTP: `python -m benchmarks.engine`.

M creates an invitation, Q1 reads one, C does so with a condition, QL lists twenty; resolvers answer at once. A warm
operation has been seen before, a cold one has not. Figures are ratios to graphql-core in the same run, medians of
interleaved rounds: less is better.
"""

import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from inspect import isawaitable
from typing import cast

import strawberry
from graphql import execute, parse, validate
from strawberry.extensions import ParserCache, ValidationCache
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from gateway import invitations as rest
from gateway.engine import Engine
from gateway.engine.strawberry_internals import core_schema
from gateway.schema import Context, create_schema

FIELDS = "id created lastModified inviter invitee trackingId message{ invitationTemplateID invitationMessage{ body } }"
INPUT = {
    "inviter": "urn:li:person:a",
    "invitee": "urn:li:person:b",
    "trackingId": "t",
    "message": {"invitationTemplateID": "t1", "invitationMessage": {"body": "hi"}},
}
OPERATIONS: dict[str, tuple[str, dict[str, object]]] = {
    "M": (
        f"mutation M($input: CreateInvitationInput!){{ createInvitation(input:$input){{ {FIELDS} }} }}",
        {"input": INPUT},
    ),
    "Q1": (f"query Q1($id: ID!){{ invitation(id:$id){{ {FIELDS} }} }}", {"id": "1"}),
    "C": (
        f"query C($id: ID!, $x: Boolean!){{ invitation(id:$id){{ {FIELDS} ... @include(if: $x){{ created }} }} }}",
        {"id": "1", "x": True},
    ),
    "QL": (f"query QL{{ invitations(first: 20){{ nodes{{ {FIELDS} }} }} }}", {}),
}
Run = Callable[[str, Mapping[str, object]], Awaitable[object]]


class Instant:
    """An InvitationsClient that returns at once."""

    def __init__(self) -> None:
        message = rest.InvitationV2Message("t1", rest.InvitationMessage("hi"))
        one = rest.InvitationV2(
            "c6443338-3338-c644-3833-44c6383344c6",
            1484671788434,
            1484672192563,
            "urn:li:person:a",
            "urn:li:person:b",
            message,
            "t",
        )
        self._one = one
        start = rest.Position("$top=20")
        self._list = rest.InvitationSlice(start, [one] * 20, has_next=False, end=start)

    async def create(self, *_: object) -> object:
        return self._one

    async def get(self, *_: object) -> object:
        return self._one

    async def page(self, *_: object) -> object:
        return self._list


def context() -> Context:
    return Context(cast("rest.CallerClient", INSTANT))


INSTANT = Instant()


def gateway_engine() -> Run:
    engine = Engine(create_schema())

    async def run(text: str, variables: Mapping[str, object]) -> object:
        return (await engine.prepare(text, None).execute(variables, context())).data

    return run


def graphql_core(*, warm: bool) -> Run:
    schema = core_schema(create_schema())
    documents = {text: parse(text) for text, _ in OPERATIONS.values()} if warm else {}

    async def run(text: str, variables: Mapping[str, object]) -> object:
        document = documents.get(text)
        if document is None:
            document = parse(text)
            assert not validate(schema, document)
        result = execute(
            schema,
            document,
            None,
            context(),
            dict(variables),
            executor_class=StrawberryGraphQLCoreExecutionContext,
        )
        result = await result if isawaitable(result) else result
        return result.data

    return run


def strawberry_schema(*, caches: bool) -> Run:
    plain = create_schema()
    schema = strawberry.Schema(
        plain.query, plain.mutation, config=plain.config, extensions=[ParserCache, ValidationCache] if caches else []
    )

    async def run(text: str, variables: Mapping[str, object]) -> object:
        return (await schema.execute(text, dict(variables), context())).data

    return run


async def measure(run: Run, text: str, variables: Mapping[str, object], times: int, *, cold: bool) -> float:
    """Return the CPU microseconds of one run."""
    texts = [f"{text} #{time.perf_counter_ns()}{number}" if cold else text for number in range(times)]
    start = time.process_time()
    for one in texts:
        await run(one, variables)
    return (time.process_time() - start) / times * 1e6


async def compare(runs: Mapping[str, Run], times: int, *, cold: bool) -> None:
    for name, (text, variables) in OPERATIONS.items():
        expected = await runs["graphql-core"](text, variables)
        assert all(cast("dict[str, object]", expected).values()), expected
        for run in runs.values():
            for _ in range(3):
                assert await run(text, variables) == expected
        figures: dict[str, list[float]] = {who: [] for who in runs}
        for _ in range(ROUNDS):
            for who, run in runs.items():
                figures[who].append(await measure(run, text, variables, times, cold=cold))
        medians = {who: statistics.median(values) for who, values in figures.items()}
        row = "".join(f"{medians[who] / medians['graphql-core']:14.3f} ({medians[who]:6.0f} µs)" for who in runs)
        print(f"{'cold' if cold else 'warm'} {name:3}{row}", flush=True)


ROUNDS = 7


def main() -> None:
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    warm = {
        "graphql-core": graphql_core(warm=True),
        "engine": gateway_engine(),
        "Strawberry": strawberry_schema(caches=False),
        "with caches": strawberry_schema(caches=True),
    }
    cold = {"graphql-core": graphql_core(warm=False), "engine": gateway_engine(), "Strawberry": warm["Strawberry"]}
    print(" " * 8 + "".join(f"{who:>26}" for who in warm))
    asyncio.run(compare(warm, times, cold=False))
    asyncio.run(compare(cold, max(times // 10, 1), cold=True))


if __name__ == "__main__":
    main()
