"""Requests share calls of the model, and none waits longer than it has to."""

from __future__ import annotations

import threading
import time

import pytest

from vlprompt_pipeline.serving.batching import Batcher


@pytest.fixture
def calls() -> list:
    return []


def test_items_that_wait_share_a_call_up_to_its_size(calls):
    started, go_on = threading.Event(), threading.Event()

    def compute(key, items):
        started.set()
        go_on.wait(10)
        calls.append((key, list(items)))
        return [item + 1 for item in items]

    batcher = Batcher(compute, most=3, delay=0)
    first = batcher.submit("a", 0)
    assert started.wait(10)
    others = [batcher.submit("a", number) for number in range(1, 6)]
    go_on.set()
    assert [result.result(10) for result in (first, *others)] == [1, 2, 3, 4, 5, 6]
    assert calls == [("a", [0]), ("a", [1, 2, 3]), ("a", [4, 5])]
    batcher.close()


def test_the_first_item_waits_for_others_as_long_as_is_said(calls):
    sizes = []
    batcher = Batcher(lambda _, items: list(items), most=8, delay=0.2, observe=sizes.append)
    began = time.monotonic()
    first = batcher.submit("a", 1)
    second = batcher.submit("a", 2)
    assert (first.result(10), second.result(10)) == (1, 2)
    assert time.monotonic() - began >= 0.2
    assert sizes == [2]
    batcher.close()


def test_keys_do_not_share_a_call_and_an_error_is_its_askers(calls):
    def compute(key, items):
        calls.append((key, len(items)))
        if key == "bad":
            raise ValueError("no")
        return [key] * len(items)

    batcher = Batcher(compute, most=8, delay=0.1)
    good, bad, again = (batcher.submit(key, 0) for key in ("good", "bad", "good"))
    assert (good.result(10), again.result(10)) == ("good", "good")
    with pytest.raises(ValueError, match="no"):
        bad.result(10)
    assert sorted(calls) == [("bad", 1), ("good", 2)]
    assert batcher.submit("good", 0).result(10) == "good"
    batcher.close()


def test_closing_waits_for_no_further_items_and_computes_none_that_is_cancelled(calls):
    batcher = Batcher(lambda _, items: calls.append(items) or list(items), most=8, delay=60)
    kept, left = batcher.submit("a", 0), batcher.submit("b", 1)
    left.cancel()
    closing = threading.Thread(target=batcher.close, daemon=True)
    closing.start()
    closing.join(20)
    assert not closing.is_alive()
    assert (kept.result(0), calls) == (0, [[0]])


def test_closing_answers_what_is_queued():
    slow = Batcher(lambda _, items: time.sleep(0.05) or list(items), most=1, delay=0)
    results = [slow.submit("a", number) for number in range(4)]
    slow.close()
    assert [result.result(0) for result in results] == [0, 1, 2, 3]
