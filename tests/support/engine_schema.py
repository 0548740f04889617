"""A schema with everything that the engine compiles, and some things that it leaves to graphql-core."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Annotated, Any, NewType

import msgspec
import strawberry
from graphql import GraphQLError, IntValueNode, StringValueNode, ValueNode
from strawberry import Maybe
from strawberry.scalars import JSON
from strawberry.schema.config import StrawberryConfig

Int64 = NewType("Int64", int)


def parse_int64(value: object) -> int:
    if type(value) is int and -(2**63) <= value < 2**63:
        return value
    if isinstance(value, str) and value.lstrip("-").isdigit():
        return int(value)
    raise GraphQLError("Int64 is a whole number or a string of one")


def parse_int64_literal(node: ValueNode, _variables: object = None) -> int:
    if isinstance(node, IntValueNode):
        return parse_int64(int(node.value))
    if isinstance(node, StringValueNode):
        return parse_int64(node.value)
    raise GraphQLError("Int64 is a whole number or a string of one", node)


def serialize_int64(value: object) -> str | None:
    # graphql-core treats None for a value as an error.
    return None if value == 404 else str(parse_int64(value))


INT64 = strawberry.scalar(
    name="Int64", serialize=serialize_int64, parse_value=parse_int64, parse_literal=parse_int64_literal
)


class Text(msgspec.Struct, frozen=True):
    body: str | None = None
    length: int | None = None


class Item(msgspec.Struct, frozen=True):
    id: object
    created: object = None
    title: object = None
    score: object = None
    hot: object = None
    color: object = None
    text: object = None
    tags: object = ()
    matrix: object = ()
    related: object = ()
    extra: object = None


class Page(msgspec.Struct, frozen=True):
    nodes: object
    total: object = 0


class BetterItem(Item, frozen=True):
    """A subclass, which a resolver may return."""


@strawberry.enum
class Color(Enum):
    RED = "red"
    GREEN = "green"


@strawberry.type(name="Text")
class TextType:
    body: str | None
    length: int | None


def resolved_by(resolver: Callable[..., object], graphql_type: object) -> Any:
    return strawberry.field(resolver=resolver, graphql_type=graphql_type)


def _shout(root: strawberry.Parent[Item]) -> str | None:
    return None if root.title is None else root.title.upper()  # type: ignore[attr-defined]


def _double(root: Item) -> Int64 | None:
    return None if root.created is None else root.created * 2  # type: ignore[operator, return-value]


async def _slow(root: strawberry.Parent[Item]) -> str:
    await asyncio.sleep(0)
    return f"slow {root.id}"


def _padded(root: strawberry.Parent[Item], width: int = 3) -> str:
    return f"{root.id} of {width}"


@strawberry.type(name="Item")
class ItemType:
    id: strawberry.ID
    created: Int64 | None
    title: str | None
    score: float | None
    hot: bool | None
    color: Color | None
    text: TextType | None
    tags: list[str] | None
    matrix: list[list[int | None]] | None
    related: list["ItemType"] | None
    extra: JSON | None
    shout: str | None = strawberry.field(resolver=_shout)
    double: Int64 | None = strawberry.field(resolver=_double)
    slow: str | None = strawberry.field(resolver=_slow)
    padded: str | None = strawberry.field(resolver=_padded)

    @strawberry.field
    def self_title(self) -> str | None:
        return self.title


def _edges(root: strawberry.Parent[Page]) -> list[Page]:
    return [Page(node) for node in root.nodes]  # type: ignore[attr-defined]


@strawberry.type(name="Edge")
class EdgeType:
    node: ItemType = resolved_by(lambda root: root.nodes, ItemType)


@strawberry.type(name="Page")
class PageType:
    nodes: list[ItemType | None]
    total: int
    edges: list[EdgeType] = resolved_by(_edges, list[EdgeType])


@strawberry.input
class TextInput:
    body: Maybe[str | None]
    length: int = 7
    labels: list[str] | None = strawberry.field(default_factory=lambda: ["a", "b"])


@strawberry.input
class ItemInput:
    id: strawberry.ID
    created: Maybe[Int64 | None]
    title: str | None = strawberry.UNSET
    score: float | None = 1.5
    hot: bool | None
    color: Color = Color.GREEN
    text: Maybe[TextInput | None]
    must: Maybe[str]
    texts: list[TextInput] | None = None
    tags: list[str | None] = strawberry.field(default_factory=list)
    matrix: list[list[int]] | None = None
    child: Annotated["ItemInput", strawberry.lazy("support.engine_schema")] | None = None
    extra: JSON | None = strawberry.UNSET


@strawberry.input(one_of=True)
class Choice:
    name: Maybe[str]
    number: Maybe[int]


@dataclass
class Calls:
    """A request's context: the results of root resolvers, and a record of their calls."""

    outcomes: "Outcomes"
    made: list[str] = field(default_factory=list)
    """Each call as its field and arguments: `item 1`."""

    async def answer(self, info: "Info", **arguments: object) -> object:
        await self.outcomes.wait(_call(info, arguments))
        return self.answer_now(info, **arguments)

    def answer_now(self, info: "Info", **arguments: object) -> object:
        call = _call(info, arguments)
        self.made.append(call)
        return self.outcomes.answer(call, info.python_name)


def _call(info: "Info", arguments: dict[str, object]) -> str:
    return " ".join([info.python_name, *map(str, arguments.values())])


class Outcomes:
    """The results of root resolvers, to be overridden."""

    async def wait(self, call: str) -> None:
        """Let other fields run first."""
        del call
        await asyncio.sleep(0)

    def answer(self, call: str, name: str) -> object:
        del call
        item = Item(id="1", created=2**53 + 1, title="one", tags=["t"], matrix=[[1]], text=Text("hello"))
        if name == "page":
            return Page([item, item], 2)
        return {"items": [item], "count": 3, "now": "today", "colors": [Color.RED]}.get(name, item)


Info = strawberry.Info[Calls, None]


async def _item(info: Info, id: strawberry.ID) -> Item:
    return await info.context.answer(info, id=id)  # type: ignore[return-value]


async def _page(info: Info, first: int | None = 20, after: str | None = strawberry.UNSET) -> Page:
    return await info.context.answer(info, first=first, after=after)  # type: ignore[return-value]


async def _search(  # noqa: PLR0913, PLR0917  # one argument of each kind
    info: Info,
    input: ItemInput | None = None,
    inputs: list[ItemInput] | None = strawberry.UNSET,
    color: Color | None = Color.RED,
    maybe: Maybe[TextInput | None] = None,
    ids: list[strawberry.ID] | None = None,
    scores: list[float | None] | None = None,
    since: Int64 | None = 5,  # type: ignore[assignment]
    deep: list[list[Int64]] | None = None,
    flag: bool = False,
) -> Item:
    arguments = dict(locals())
    return await info.context.answer(**arguments)  # type: ignore[return-value]


def _items(info: Info, tag: str = "x") -> list[Item]:
    return info.context.answer_now(info, tag=tag)  # type: ignore[return-value]


def _count(info: Info, at_least: Annotated[int, strawberry.argument(name="min")] = 0) -> int:
    return info.context.answer_now(info, at_least=at_least)  # type: ignore[return-value]


async def _choose(info: Info, choice: Choice) -> Item:
    return await info.context.answer(info, choice=choice)  # type: ignore[return-value]


async def _streamed(info: Info) -> AsyncIterator[Item]:
    yield await info.context.answer(info)  # type: ignore[misc]


@strawberry.type
class Query:
    item: ItemType | None = resolved_by(_item, ItemType | None)
    page: PageType | None = resolved_by(_page, PageType | None)
    search: ItemType | None = resolved_by(_search, ItemType | None)
    items: list[ItemType] | None = resolved_by(_items, list[ItemType] | None)
    sure: ItemType = resolved_by(_item, ItemType)
    count: int | None = strawberry.field(resolver=_count)
    choose: ItemType | None = resolved_by(_choose, ItemType | None)
    streamed: list[ItemType] | None = resolved_by(_streamed, list[ItemType] | None)

    @strawberry.field
    def now(self, root: None, info: Info) -> str | None:
        assert self is root is None
        return info.context.answer_now(info)

    @strawberry.field
    def colors(self, info: Info) -> list[Color | None] | None:
        return info.context.answer_now(info)  # type: ignore[return-value]


@strawberry.type
class Mutation:
    create: ItemType | None = resolved_by(_search, ItemType | None)
    update: ItemType | None = resolved_by(_item, ItemType | None)
    sure: ItemType = resolved_by(_item, ItemType)
    count: int | None = strawberry.field(resolver=_count)


def create_schema() -> strawberry.Schema:
    return strawberry.Schema(Query, Mutation, config=StrawberryConfig(scalar_map={Int64: INT64}))
