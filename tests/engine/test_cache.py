"""What the engine caches of documents, and for how long."""

import asyncio
import gc
import tracemalloc
from itertools import product
from weakref import WeakSet

import pytest
from support.engine_runs import counted_runs
from support.engine_schema import Calls, Outcomes, create_schema

from gateway.engine import DocumentError, Engine
from gateway.engine.cache import Cache, Key
from gateway.engine.document import Document, Reader
from gateway.engine.engine import MAX_CACHE
from gateway.engine.outputs import MAX_CLASSES

SCHEMA = create_schema()


def test_the_least_recently_used_entry_is_evicted_first() -> None:
    cache: Cache[int] = Cache(entries=2, size=1000)
    for number, text in enumerate("ab"):
        cache.put((text, None), number, 1)
    assert cache.get(("a", None)) == 0
    cache.put(("c", None), 2, 1)
    assert [cache.get((text, None)) for text in "abc"] == [0, None, 2]


def test_a_cache_is_bounded_in_bytes_and_does_not_keep_large_entries() -> None:
    cache: Cache[str] = Cache(entries=1000, size=100)
    texts = [f"{number:010}" for number in range(50)]
    for text in texts:
        cache.put((text, None), text, 10)
        cache.put((text, None), text, 10)
    assert [cache.get((text, None)) for text in texts] == [None] * 40 + texts[40:]
    cache.put(("x", None), "too large", 11)
    assert cache.get(("x", None)) is None
    cache.pop((texts[-1], None))
    cache.put(("new", None), "new", 10)
    assert cache.get((texts[40], None)) == texts[40]


def test_an_operation_is_prepared_once_for_each_text_and_name() -> None:
    engine = Engine(SCHEMA)
    text = "query A { now } query B { count }"
    once = engine.prepare(text, "A")
    assert all(engine.prepare(text, "A") is once for _ in range(5))
    assert engine.prepare(text, "B") is not once
    assert engine.prepare(text, "B").name == "B"


def test_a_flood_of_documents_seen_once_does_not_evict_those_in_use() -> None:
    engine = Engine(SCHEMA)
    hot = engine.prepare("{ now }", None)
    engine.prepare("{ now }", None)
    seen = [engine.prepare(f"{{ a{number}: now }}", None) for number in range(1200)]
    assert engine.prepare("{ now }", None) is hot
    assert engine.prepare("{ a700: now }", None) is seen[700]
    assert engine.prepare("{ a699: now }", None) is not seen[699]


def test_a_refused_document_is_parsed_once_and_refused_again(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    class CountingReader(Reader):
        def read(self, text: str, operation_name: str | None) -> Document:
            read.append(text)
            return super().read(text, operation_name)

    monkeypatch.setattr("gateway.engine.engine.Reader", CountingReader)
    engine = Engine(SCHEMA)
    refusals = []
    for _ in range(3):
        with pytest.raises(DocumentError) as caught:
            engine.prepare("{ nothing }", None)
        refusals.append(caught.value)
    assert refusals[0].errors == refusals[1].errors == refusals[2].errors
    assert refusals[1] is not refusals[2]
    assert read == ["{ nothing }"]


def test_a_plan_is_compiled_at_the_second_run() -> None:
    operation = Engine(SCHEMA).prepare("{ item(id: 1) { id } }", None)
    counts = []
    with counted_runs() as runs:
        for _ in range(3):
            asyncio.run(operation.execute(None, Calls(Outcomes())))
            counts.append((runs.by_core, runs.plans))
    assert counts == [(1, 0), (1, 1), (1, 1)]


def test_an_operation_without_a_plan_still_runs() -> None:
    operation = Engine(SCHEMA).prepare("{ item(id: 1) { slow } }", None)
    with counted_runs() as runs:
        for _ in range(3):
            result = asyncio.run(operation.execute(None, Calls(Outcomes())))
            assert result.data == {"item": {"slow": "slow 1"}}
    assert (runs.by_core, runs.plans) == (3, 0)


class Sizes:
    """The sizes that the engine passed to its caches."""

    def __init__(self) -> None:
        self.caches: list[Cache[object]] = []
        self.counted: dict[tuple[int, Key], int] = {}

    def held(self) -> dict[Key, int]:
        """Return the size of each entry that is still cached."""
        return {key: size for (at, key), size in self.counted.items() if self.caches[at].get(key) is not None}


@pytest.fixture
def sizes(monkeypatch: pytest.MonkeyPatch) -> Sizes:
    """Record the entry sizes of all caches created from now on."""
    sizes = Sizes()

    class Counting(Cache[object]):
        def __init__(self, *, entries: int, size: int) -> None:
            super().__init__(entries=entries, size=size)
            self.number = len(sizes.caches)
            sizes.caches.append(self)

        def put(self, key: Key, value: object, size: int) -> None:
            sizes.counted[self.number, key] = size
            super().put(key, value, size)

    monkeypatch.setattr("gateway.engine.engine.Cache", Counting)
    return sizes


CREATE = 'create(input: {id: 1, hot: true, text: {body: "x", labels: ["a", "b"]}, tags: []}) { id }'
DOCUMENTS = {
    "small": "{ now } #N",
    "aliases": "{ item(id: 1) { " + " ".join(f"a{n}: id" for n in range(50)) + " } } #N",
    "fragments": "{ now " + "... { now } " * 15 + "} #N",
    "objects": "mutation { " + " ".join(f"a{n}: {CREATE}" for n in range(20)) + " } #N",
    "conditions": "query($a: Boolean! $b: Boolean! $c: Boolean!) { "
    + " ".join(f"a{n}: item(id: 1) {{ ...F x{n}: id }}" for n in range(12))
    + " now @include(if: $c) } fragment F on Item { id created title hot score tags color @skip(if: $b) "
    + "matrix @include(if: $a) related { id color matrix } } #N",
    "comments": "{ now }" + "\n#" * 3_000 + " #N",
    "a long string": '{ item(id: "' + "\U0001f600" * 10_000 + '") { id } } #N',
    "an escape in a long string": '{ item(id: "' + "a" * 40_000 + '\\u{1F600}") { id } } #N',
    "errors": "{ " + "no " * 200 + "} #N",
    "errors with many places": "query (" + "$a: Int " * 400 + ") { now } #N",
    "a syntax error": "{ now #N",
    "large syntax errors": "{ now " + "\U0001f600" * 10_000 + " #N",
}


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS)
def test_a_cached_entry_takes_no_more_memory_than_counted(document: str, sizes: Sizes) -> None:
    engine = Engine(SCHEMA)

    def keep(number: int) -> None:
        text = document.replace("N", str(number))
        for _ in range(2):
            try:
                operation = engine.prepare(text, None)
            except DocumentError:
                continue
            asyncio.run(operation.execute(None, Calls(Outcomes())))
            for a, b, c in product((True, False), repeat=3) if "$c" in text else ():
                asyncio.run(operation.execute({"a": a, "b": b, "c": c}, Calls(Outcomes())))

    keep(0)  # allocate what all documents share
    gc.collect()
    tracemalloc.start()
    try:
        for number in range(1, 9):
            keep(number)
        gc.collect()
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    held = sizes.held()
    assert len(held) == 9
    assert taken <= sum(size for (text, _), size in held.items() if not text.endswith("0"))


def test_a_document_that_is_too_long_is_refused_and_not_cached(sizes: Sizes) -> None:
    engine = Engine(SCHEMA)
    for text, name, message in (
        ("query A { now }", "A" * 1_001, "operationName is too long: at most 1000 characters are allowed."),
        ("#" * 50_001, None, "The document is too long: at most 50000 characters are allowed."),
    ):
        with pytest.raises(DocumentError) as caught:
            engine.prepare(text, name)
        (error,) = caught.value.errors
        assert error["message"] == message
    assert not sizes.counted


def test_the_document_cache_does_not_exceed_its_size_in_bytes(sizes: Sizes) -> None:
    engine = Engine(SCHEMA)
    for number in range(200):
        with pytest.raises(DocumentError):
            engine.prepare("#" * 49_000, f"{number:01000}")
        with pytest.raises(DocumentError):
            engine.prepare("query (" + "$a: Int " * 480 + f") {{ now }} # {number}", None)
    assert 0.8 * MAX_CACHE < sum(sizes.held().values()) <= MAX_CACHE


def test_a_plan_remembers_a_bounded_number_of_classes() -> None:
    class Changing(Outcomes):
        def answer(self, call: str, name: str) -> object:
            del call, name
            made = type("Made", (), {"id": "1"})
            classes.add(made)
            return made()

    classes: WeakSet[type] = WeakSet()
    operation = Engine(SCHEMA).prepare("{ item(id: 1) { id } }", None)
    for _ in range(3 * MAX_CLASSES):
        assert asyncio.run(operation.execute(None, Calls(Changing()))).data == {"item": {"id": "1"}}
    gc.collect()
    assert len(classes) == MAX_CLASSES
