"""An event loop in a thread of its own, for callers without one: scripts, threads, and notebooks, whose own loop is
busy with the cell that waits."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")


class Portal:
    """Runs coroutines from any thread. Its thread starts with the first coroutine and ends with `close` or with the
    process; a forked process gets a thread of its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._started: set[Future[None]] = set()
        self._pid = os.getpid()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine and return its result or raise its exception. If the wait is interrupted, as by Ctrl-C,
        the coroutine is cancelled and its end waited for."""
        loop = self._running()
        if self._thread is threading.current_thread():  # it cannot wait for itself
            with ThreadPoolExecutor(1) as thread:
                return thread.submit(asyncio.run, coroutine).result()
        result: Future[T] = Future()
        tasks: list[asyncio.Task[T]] = []

        def begin() -> None:
            tasks.append(loop.create_task(coroutine))
            tasks[0].add_done_callback(partial(_pass_on, result))

        loop.call_soon_threadsafe(begin)
        try:
            return result.result()
        except BaseException:
            if not result.done():
                loop.call_soon_threadsafe(lambda: tasks[0].cancel())
                wait([result])
            raise

    def start(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine that nobody waits for but `close`."""
        started = asyncio.run_coroutine_threadsafe(coroutine, self._running())
        self._started.add(started)
        started.add_done_callback(self._started.discard)

    def close(self) -> None:
        """End the thread, after what runs in it."""
        wait(set(self._started))
        with self._lock:
            loop, thread, self._loop, self._thread = self._loop, self._thread, None, None
        if loop is not None and thread is not None and self._pid == os.getpid():
            loop.call_soon_threadsafe(loop.stop)
            thread.join()

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._pid != os.getpid():
            self.__init__()  # type: ignore[misc]  # what it has is the parent's
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=_turn, args=(self._loop,), name="orch", daemon=True)
                self._thread.start()
            return self._loop


def _turn(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


def _pass_on(result: Future[T], task: asyncio.Task[T]) -> None:
    try:
        result.set_result(task.result())
    except BaseException as error:  # noqa: BLE001  # it is whoever waits that has to know
        result.set_exception(error)
