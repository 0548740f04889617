"""What is kept of documents, and for how long."""

import asyncio

import pytest
from support.engine_schema import Calls, Outcomes, create_schema

from gateway.engine import DocumentError, Engine
from gateway.engine.cache import Cache

SCHEMA = create_schema()


def test_the_least_recently_used_goes_first() -> None:
    cache: Cache[int] = Cache(entries=2, characters=1000)
    for number, text in enumerate("ab"):
        cache.put((text, None), number)
    assert cache.get(("a", None)) == 0
    cache.put(("c", None), 2)
    assert [cache.get((text, None)) for text in "abc"] == [0, None, 2]


def test_a_cache_is_bounded_in_characters_and_leaves_long_texts_out() -> None:
    cache: Cache[str] = Cache(entries=1000, characters=100)
    texts = [f"{number:010}" for number in range(50)]
    for text in texts:
        cache.put((text, None), text)
        cache.put((text, None), text)
    assert [cache.get((text, None)) for text in texts] == [None] * 40 + texts[40:]
    cache.put(("x" * 11, None), "too long")
    assert cache.get(("x" * 11, None)) is None
    cache.pop((texts[-1], None))
    cache.put(("new", None), "new")
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
