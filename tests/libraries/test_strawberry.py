"""The undocumented behaviour of Strawberry that the engine relies on."""

import asyncio

import pytest
import strawberry
from graphql import Executor, GraphQLField, GraphQLSchema, parse, specified_rules, validate
from strawberry.exceptions import StrawberryGraphQLError
from strawberry.types.field import StrawberryField

from gateway.engine import strawberry_internals as internals
from gateway.engine.selections import NotCompiledError


@strawberry.input
class Words:
    some_word: strawberry.Maybe[str]
    more: list[str] | None = None


@strawberry.input(one_of=True)
class Choice:
    a: strawberry.Maybe[int]
    b: strawberry.Maybe[int]


@strawberry.type
class Query:
    plain: str

    @strawberry.field
    def say(
        self,
        root: strawberry.Parent[None],
        info: strawberry.Info[str, None],
        the_words: Words | None = None,
        many: list[str] | None = None,
        choice: Choice | None = None,
    ) -> str:
        return repr((self, root, info.context, info.python_name, the_words, many, choice))

    @strawberry.field
    async def later(self) -> str:
        return "later"


SCHEMA = strawberry.Schema(Query)
CORE = internals.core_schema(SCHEMA)


def core_field(name: str) -> GraphQLField:
    assert CORE.query_type
    found: GraphQLField = CORE.query_type.fields[name]
    return found


def field(name: str) -> StrawberryField:
    return internals.definition_of(core_field(name))


def test_a_schema_has_graphql_cores_schema_and_an_execution_context_class() -> None:
    assert isinstance(CORE, GraphQLSchema)
    assert {"Query", "Words", "Choice"} <= set(CORE.type_map)
    assert issubclass(internals.Executor, Executor)
    assert issubclass(internals.Executor, SCHEMA.execution_context_class)


def test_a_field_of_graphql_core_refers_to_strawberrys_field() -> None:
    assert field("say").python_name == "say"
    for missing in (None, GraphQLField(core_field("say").type)):
        with pytest.raises(NotCompiledError):
            internals.definition_of(missing)


def test_a_field_with_its_own_get_result_is_detected() -> None:
    class OwnField(StrawberryField):
        def get_result(self, source: object, info: object, args: list[object], kwargs: object) -> object:
            raise NotImplementedError

    @strawberry.type
    class Odd:
        own: str = OwnField()  # type: ignore[assignment]

    query = internals.core_schema(strawberry.Schema(Odd)).query_type
    assert query
    with pytest.raises(NotCompiledError):
        internals.definition_of(query.fields["own"])
    assert internals.ignored_parts(SCHEMA) == []


def test_exception_handlers_are_detected() -> None:
    @strawberry.type
    class Problem:
        what: str

    class Handler(strawberry.ExceptionHandler[ValueError, Problem]):
        def handle(self, exception: ValueError, *, field: StrawberryField, info: strawberry.Info) -> Problem:
            raise NotImplementedError

    assert not internals.has_exception_handlers(SCHEMA)
    assert internals.has_exception_handlers(strawberry.Schema(Query, exception_handlers=[Handler()]))


def test_arguments_have_a_name_in_graphql_a_name_in_python_and_a_type() -> None:
    words, many, choice = internals.arguments_of(SCHEMA, field("say"))
    assert (words.name, words.python_name) == ("theWords", "the_words")
    for argument in (words, many, choice):
        assert isinstance(argument.annotation, internals.StrawberryOptional)
        assert argument.name in core_field("say").args
    assert words.annotation.of_type is Words  # type: ignore[attr-defined]
    assert isinstance(many.annotation.of_type, internals.StrawberryList)  # type: ignore[attr-defined]
    assert many.annotation.of_type.of_type is str  # type: ignore[attr-defined]


def test_the_fields_of_an_input_are_known_unless_it_is_left_to_graphql_core() -> None:
    some_word, more = internals.input_fields(SCHEMA, Words)
    assert (some_word.name, some_word.python_name) == ("someWord", "some_word")
    assert isinstance(some_word.annotation, internals.StrawberryMaybe)
    assert some_word.annotation.of_type is str
    assert more.has_default
    assert set(CORE.type_map["Words"].fields) == {"someWord", "more"}  # type: ignore[attr-defined]
    for class_ in (Choice, dict):
        with pytest.raises(NotCompiledError):
            internals.input_fields(SCHEMA, class_)


def test_a_coerced_value_becomes_the_argument_that_a_resolver_takes() -> None:
    convert = internals.converter(SCHEMA)
    assert convert({"someWord": "a"}, Words) == Words(some_word=strawberry.Some("a"))
    with pytest.raises(internals.StrawberryInputCoercionError):
        convert(None, internals.StrawberryMaybe(str))
    assert issubclass(internals.StrawberryInputCoercionError, StrawberryGraphQLError)


def test_a_resolver_knows_which_of_its_parameters_are_not_arguments() -> None:
    resolver = internals.resolver_of(field("say"))
    assert resolver
    assert (resolver.is_async, resolver.self, resolver.parents, resolver.info) == (False, True, {"root"}, "info")
    later = internals.resolver_of(field("later"))
    assert later
    assert (later.is_async, later.parents, later.info) == (True, set(), None)
    assert internals.resolver_of(field("plain")) is None
    assert field("plain").default_resolver is getattr


def test_a_root_resolver_is_called_as_strawberry_calls_it() -> None:
    call = internals.root_call(SCHEMA, field("say"))
    called = call({"the_words": None, "many": ["a"], "choice": None}, "the context")
    expected = SCHEMA.execute_sync('{ x: say(many: ["a"]) }', context_value="the context")
    assert expected.data == {"x": called}


def test_graphql_core_does_not_have_the_two_rules_that_strawberry_adds() -> None:
    text = "{ say(theWords: {someWord: null}, choice: {a: 1, b: 2}) }"
    ours = [internals.MaybeNullValidationRule, internals.OneOfInputValidationRule]
    assert not set(ours) & set(specified_rules)
    assert len(validate(CORE, parse(text), ours)) == 2
    assert SCHEMA.execute_sync(text).errors


def test_awaitables_can_be_told_from_values() -> None:
    assert not internals.is_awaitable("a")
    coroutine = asyncio.sleep(0)
    assert internals.is_awaitable(coroutine)
    coroutine.close()
