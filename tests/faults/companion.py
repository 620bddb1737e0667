"""A process of its own beside a test, as the clients of a real tcpeek are: forked, told to end, and asked what it saw."""

from __future__ import annotations

import multiprocessing
import os
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, Generic, TypeVar, cast

T = TypeVar("T")


class Ending:
    """What the process looks at to know that it is to end: it was told so, or nobody is there any more."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._parent = os.getppid()

    def has_come(self) -> bool:
        return self._pipe.poll(0) or os.getppid() != self._parent


class Companion(Generic[T]):
    """Runs `work` from the moment that it is made. To be made before the test has other threads."""

    def __init__(self, name: str, work: Callable[[Ending], T]) -> None:
        self._name = name
        self._work = work
        self._pipe, theirs = multiprocessing.Pipe()
        self._process = multiprocessing.get_context("fork").Process(target=self._run, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()

    def _run(self, pipe: Connection) -> None:
        try:
            pipe.send((True, self._work(Ending(pipe))))
        except BaseException:  # noqa: BLE001
            pipe.send((False, traceback.format_exc()))

    def check(self) -> None:
        """Raises what it raised. It ends when it is told to, or so."""
        if self._pipe.poll(0):
            self._answer()
            raise AssertionError(f"{self._name} ended by itself")

    def finish(self, seconds: float) -> T:
        """Tells it to end; what it then returned within that time."""
        self._pipe.send(None)
        if not self._pipe.poll(seconds):
            raise AssertionError(f"{self._name} did not end within {seconds:g} s")
        return cast(T, self._answer())

    def _answer(self) -> Any:
        worked, said = self._pipe.recv()
        self._process.join()
        if not worked:
            raise AssertionError(f"{self._name}: {said}")
        return said

    def __enter__(self) -> Companion[T]:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.join()
        self._pipe.close()
