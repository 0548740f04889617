"""What somebody can add to a schema: the engine does it as Strawberry does, or refuses the schema."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, NewType

import pytest
import strawberry
from strawberry.directive import DirectiveLocation, DirectiveValue
from strawberry.extensions import SchemaExtension
from strawberry.scalars import JSON
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.types.field import StrawberryField
from strawberry.types.fields.resolver import StrawberryResolver

from gateway.engine import Engine

pytestmark = pytest.mark.quick


class LoudField(StrawberryField):
    def get_result(self, source: Any, info: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        return f"{super().get_result(source, info, args, kwargs)}!"


class LoudResolver(StrawberryResolver[Any]):
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return f"{super().__call__(*args, **kwargs)}!"


def _hello() -> str:
    return "hello"


@strawberry.type
class Greeting:
    attribute: str = LoudField()  # type: ignore[assignment]
    resolved: str = LoudField(base_resolver=StrawberryResolver(_hello))  # type: ignore[assignment]


@strawberry.input
class Box:
    content: JSON
    more: list[JSON] | None = None


def _changed(value: Any) -> list[str]:
    found = sorted(value)
    value["changed"] = True
    return found


@strawberry.type
class Query:
    loud: str = LoudField(base_resolver=StrawberryResolver(_hello))  # type: ignore[assignment]
    loud_resolver: str = strawberry.field(resolver=LoudResolver(_hello))

    @strawberry.field
    def greeting(self) -> Greeting:
        return Greeting(attribute="hi")

    @strawberry.field
    def keys(self, value: JSON) -> list[str]:
        return _changed(value)

    @strawberry.field
    def keys_inside(self, box: Box) -> list[str]:
        return _changed(box.content) + [it for one in box.more or () for it in _changed(one)]


@pytest.mark.parametrize(
    "text",
    [
        "{ loud }",
        "{ loudResolver }",
        "{ greeting { attribute } }",
        "{ greeting { resolved } }",
        "{ keys(value: {a: 1}) }",
        "query($v: JSON! = {a: 1}) { keys(value: $v) }",
        "{ keysInside(box: {content: {a: 1}, more: [{b: 1}]}) }",
        "query($v: Box! = {content: {a: 1}}) { keysInside(box: $v) }",
        "query($v: JSON! = {a: 1}) { keysInside(box: {content: $v, more: {b: 1}}) }",
    ],
)
def test_each_run_answers_as_strawberry_does(text: str) -> None:
    schema = strawberry.Schema(Query)
    expected = asyncio.run(schema.execute(text))
    assert not expected.errors
    engine = Engine(schema)
    for _ in range(4):
        assert asyncio.run(engine.prepare(text, None).execute(None, None)).data == expected.data


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def count(self) -> AsyncIterator[int]:
        yield 1


@strawberry.directive(locations=[DirectiveLocation.FIELD])
def shout(value: DirectiveValue[str]) -> str:
    return f"{value}!"


class Executor(StrawberryGraphQLCoreExecutionContext):
    pass


class Reporting(strawberry.Schema):
    def process_errors(self, errors: object, execution_context: object = None) -> None:
        pass


class Extended(strawberry.Schema):
    def get_extensions(self, sync: bool = False) -> list[SchemaExtension]:
        return [SchemaExtension(), *super().get_extensions(sync)]


@pytest.mark.parametrize(
    ("schema", "named"),
    [
        (strawberry.Schema(Query, extensions=[SchemaExtension]), "extensions"),
        (Extended(Query), "get_extensions"),
        (strawberry.Schema(Query, directives=[shout]), "directives"),
        (strawberry.Schema(Query, subscription=Subscription), "subscription"),
        (strawberry.Schema(Query, execution_context_class=Executor), "execution_context_class"),
        (Reporting(Query), "process_errors"),
        (
            strawberry.Schema(Query, config=StrawberryConfig(disable_field_suggestions=True)),
            "config.disable_field_suggestions",
        ),
        (
            strawberry.Schema(Query, config=StrawberryConfig(enable_experimental_incremental_execution=True)),
            "config.enable_experimental_incremental_execution",
        ),
    ],
)
def test_a_schema_is_refused_with_what_the_engine_would_ignore(schema: strawberry.Schema, named: str) -> None:
    with pytest.raises(ValueError, match=f"^The engine does not support these parts of the schema: {named}. Remove "):
        Engine(schema)


class Tag(str):
    """A string that can be changed."""

    __slots__ = ("uses",)


TagScalar = NewType("TagScalar", str)


def test_a_literal_of_a_mutable_class_is_new_in_each_run() -> None:
    @strawberry.type
    class Query:
        @strawberry.field
        def uses(self, tag: TagScalar) -> int:
            given: Any = tag
            given.uses = getattr(given, "uses", 0) + 1
            return int(given.uses)

    scalar = strawberry.scalar(name="Tag", parse_value=Tag, serialize=str)
    engine = Engine(strawberry.Schema(Query, config=StrawberryConfig(scalar_map={TagScalar: scalar})))

    async def run() -> object:
        return (await engine.prepare('{ uses(tag: "x") }', None).execute(None, None)).data

    assert [asyncio.run(run()) for _ in range(4)] == [{"uses": 1}] * 4
