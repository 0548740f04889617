"""What is kept of documents, and for how long."""

import asyncio
import gc
import tracemalloc

import pytest
from support.engine_schema import Calls, Outcomes, create_schema

from gateway.engine import DocumentError, Engine
from gateway.engine.cache import Cache
from gateway.engine.engine import MAX_CACHE

SCHEMA = create_schema()


def test_the_least_recently_used_goes_first() -> None:
    cache: Cache[int] = Cache(entries=2, size=1000)
    for number, text in enumerate("ab"):
        cache.put((text, None), number, 1)
    assert cache.get(("a", None)) == 0
    cache.put(("c", None), 2, 1)
    assert [cache.get((text, None)) for text in "abc"] == [0, None, 2]


def test_a_cache_is_bounded_in_bytes_and_leaves_large_entries_out() -> None:
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


def test_a_flood_of_documents_seen_once_leaves_those_in_use() -> None:
    engine = Engine(SCHEMA)
    hot = engine.prepare("{ now }", None)
    engine.prepare("{ now }", None)
    for number in range(1200):
        engine.prepare(f"{{ a{number}: now }}", None)
    assert engine.prepare("{ now }", None) is hot
    assert len(engine._seen._values) == 500
    assert len(engine._kept._values) == 1


def test_a_refused_document_is_read_once_and_refused_again(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine(SCHEMA)
    refusals = []
    for _ in range(3):
        with pytest.raises(DocumentError) as caught:
            engine.prepare("{ nothing }", None)
        refusals.append(caught.value)
        monkeypatch.setattr(engine, "_reader", None)
    assert refusals[0].errors == refusals[1].errors == refusals[2].errors
    assert refusals[1] is not refusals[2]


def test_a_plan_is_made_at_the_second_run() -> None:
    operation = Engine(SCHEMA).prepare("{ item(id: 1) { id } }", None)
    plans = []
    for _ in range(3):
        asyncio.run(operation.execute(None, Calls(Outcomes())))
        plans.append(operation._plan)
    assert plans[0] is None
    assert plans[1] is plans[2] is not None


def test_an_operation_that_has_no_plan_runs_all_the_same() -> None:
    operation = Engine(SCHEMA).prepare("{ item(id: 1) { slow } }", None)
    for _ in range(3):
        result = asyncio.run(operation.execute(None, Calls(Outcomes())))
        assert result.data == {"item": {"slow": "slow 1"}}
    assert operation._plan is None


CREATE = 'create(input: {id: 1, hot: true, text: {body: "x", labels: ["a", "b"]}, tags: []}) { id }'
DOCUMENTS = {
    "small": "{ now } #N",
    "aliases": "{ item(id: 1) { " + " ".join(f"a{n}: id" for n in range(50)) + " } } #N",
    "fragments": "{ now " + "... { now } " * 15 + "} #N",
    "objects": "mutation { " + " ".join(f"a{n}: {CREATE}" for n in range(20)) + " } #N",
    "comments": "{ now }" + "\n#" * 3_000 + " #N",
    "a long string": '{ item(id: "' + "\U0001f600" * 10_000 + '") { id } } #N',
    "errors": "{ " + "no " * 200 + "} #N",
    "errors with many places": "query (" + "$a: Int " * 400 + ") { now } #N",
    "a syntax error": "{ now #N",
    "large syntax errors": "{ now " + "\U0001f600" * 10_000 + " #N",
}


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS)
def test_what_is_kept_takes_no_more_than_it_is_counted_for(document: str) -> None:
    engine = Engine(SCHEMA)

    def keep(number: int) -> None:
        text = document.replace("N", str(number))
        for _ in range(2):
            try:
                operation = engine.prepare(text, None)
            except DocumentError:
                continue
            asyncio.run(operation.execute(None, Calls(Outcomes())))

    keep(0)  # what is made once for all of them
    gc.collect()
    tracemalloc.start()
    try:
        for number in range(1, 9):
            keep(number)
        gc.collect()
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    caches = (engine._seen, engine._kept)
    (entries,) = [cache._values for cache in caches if cache._values]
    counted = sum(size for (text, _), (_, size) in entries.items() if not text.endswith("0"))
    assert len(entries) == 9
    assert taken <= counted


def test_what_is_too_long_is_refused_and_not_kept() -> None:
    engine = Engine(SCHEMA)
    for text, name, message in (
        ("query A { now }", "A" * 1_001, "operationName is too long: at most 1000 characters are allowed."),
        ("#" * 50_001, None, "The document is too long: at most 50000 characters are allowed."),
    ):
        with pytest.raises(DocumentError) as caught:
            engine.prepare(text, name)
        (error,) = caught.value.errors
        assert error["message"] == message
    assert not engine._seen._values


def test_a_cache_of_documents_does_not_grow_beyond_its_bytes() -> None:
    engine = Engine(SCHEMA)
    for number in range(200):
        with pytest.raises(DocumentError):
            engine.prepare("#" * 49_000, f"{number:01000}")
        with pytest.raises(DocumentError):
            engine.prepare("query (" + "$a: Int " * 480 + f") {{ now }} # {number}", None)
    counted = sum(size for _, size in engine._seen._values.values())
    assert counted == MAX_CACHE - engine._seen._room
    assert 0.8 * MAX_CACHE < counted <= MAX_CACHE
