"""Collect what several requests ask for, and compute it in one call."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple


class _Task(NamedTuple):
    """An item, what it can share a call with, and where the result goes."""

    key: Hashable
    item: Any
    result: Future[Any]


class Batcher:
    """Compute items in batches, in one thread of its own.

    The first item of a batch waits at most `delay` for others; items that are already there when
    the thread is free wait for nothing. Items of one key share a call.

    Example:
        >>> batcher = Batcher(lambda key, items: [key * item for item in items], 8, 0.01)
        >>> results = [batcher.submit(2, 3), batcher.submit(2, 4)]
        >>> [result.result() for result in results]
        [6, 8]
        >>> batcher.close()
    """

    def __init__(
        self,
        compute: Callable[[Any, Sequence[Any]], Sequence[Any]],
        most: int,
        delay: float,
        observe: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Start the thread.

        Args:
            compute: from a key and its items to their results, in order.
            most: items in a batch.
            delay: seconds.
            observe: is told the size of each call.
        """
        self._compute, self._most, self._delay, self._observe = compute, most, delay, observe
        self._tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="batches", daemon=True)
        self._thread.start()

    def submit(self, key: Hashable, item: Any) -> Future[Any]:
        """Queue an item; its future has the result, or the exception of its call."""
        task = _Task(key, item, Future())
        self._tasks.put(task)
        return task.result

    def close(self) -> None:
        """Compute what is queued, then end the thread."""
        self._tasks.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (first := self._tasks.get()) is not None:
            batch, is_last = self._collect(first)
            for key in dict.fromkeys(task.key for task in batch):
                self._answer(key, [task for task in batch if task.key == key])
            if is_last:
                return

    def _collect(self, first: _Task) -> tuple[list[_Task], bool]:
        """Return a batch, and whether the end of the queue came with it."""
        batch, until = [first], time.monotonic() + self._delay
        while len(batch) < self._most:
            try:
                task = self._tasks.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                break
            if task is None:
                return batch, True
            batch.append(task)
        return batch, False

    def _answer(self, key: Hashable, tasks: Sequence[_Task]) -> None:
        running = [task for task in tasks if task.result.set_running_or_notify_cancel()]
        if not running:
            return
        self._observe(len(running))
        try:
            results = self._compute(key, [task.item for task in running])
        except Exception as error:  # it is the asker's, and the thread goes on for others
            for task in running:
                task.result.set_exception(error)
            return
        for task, result in zip(running, results, strict=True):
            task.result.set_result(result)
