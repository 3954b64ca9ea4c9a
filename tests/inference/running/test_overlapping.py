"""Threads beside the network: the same order, errors that cross, and a clean end."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from napari_dmoe.inference.running.overlapping import ReadAhead, WriteBehind
from napari_dmoe.progress import Cancelled, Pulse, no_pulse


def alive() -> set[str]:
    return {each.name for each in threading.enumerate()} & {"reader", "writer"}


def test_items_come_in_order_and_no_more_than_a_few_wait() -> None:
    made: list[int] = []

    def count(_: Pulse) -> Iterator[int]:
        for number in range(50):
            made.append(number)
            yield number

    with ReadAhead(count, 3) as ahead:
        for number in range(50):
            assert ahead.take(no_pulse) == number
            assert len(made) <= number + 6
    assert alive() == set()


def test_what_the_reader_raises_is_raised_after_what_it_read() -> None:
    def fail(_: Pulse) -> Iterator[int]:
        yield 1
        raise OSError("gone")

    with ReadAhead(fail, 3) as ahead:
        assert ahead.take(no_pulse) == 1
        with pytest.raises(OSError, match="gone"):
            ahead.take(no_pulse)
    assert alive() == set()


def test_a_reader_that_hangs_lets_stop_act() -> None:
    hangs = threading.Event()

    def hang(_: Pulse) -> Iterator[int]:
        hangs.wait()
        yield 1

    def stop() -> None:
        hangs.set()
        raise Cancelled

    with pytest.raises(Cancelled), ReadAhead(hang, 1) as ahead:
        ahead.take(stop)


def test_a_reader_stops_with_its_block() -> None:
    def forever(pulse: Pulse) -> Iterator[int]:
        while True:
            pulse()
            yield 1

    with ReadAhead(forever, 2) as ahead:
        ahead.take(no_pulse)
    assert alive() == set()


def test_calls_are_made_in_order_by_one_thread() -> None:
    made: list[tuple[int, str]] = []

    def note(number: int) -> None:
        made.append((number, threading.current_thread().name))

    with WriteBehind(2) as writer:
        for number in range(30):
            writer.do(lambda number=number: note(number), no_pulse)
        writer.finish(no_pulse)
        assert made == [(number, "writer") for number in range(30)]
    assert alive() == set()


def test_what_a_call_raises_ends_the_work() -> None:
    made: list[int] = []

    def fail() -> None:
        raise OSError("full")

    def work(writer: WriteBehind) -> None:
        writer.do(fail, no_pulse)
        writer.do(lambda: made.append(1), no_pulse)
        writer.do(lambda: made.append(2), no_pulse)
        writer.finish(no_pulse)

    with WriteBehind(1) as writer, pytest.raises(OSError, match="full"):
        work(writer)
    assert made == []
    assert alive() == set()


def test_a_writer_that_is_slow_lets_stop_act_and_ends_its_call() -> None:
    goes_on, made = threading.Event(), list[int]()

    def slow() -> None:
        goes_on.wait()
        made.append(1)

    def stop() -> None:
        goes_on.set()
        raise Cancelled

    with WriteBehind(1) as writer:
        writer.do(slow, no_pulse)
        writer.do(lambda: made.append(2), no_pulse)
        with pytest.raises(Cancelled):
            writer.finish(stop)
    assert made in ([1], [1, 2])
    assert alive() == set()
