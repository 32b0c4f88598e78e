"""Batches on all cores: the answers in order, those of one thread, errors passed on, and torch's threads as they were."""

from __future__ import annotations

import threading
import time

import pytest
import torch

from tagging_lib.models import device


@pytest.fixture(params=[1, 3])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def test_answers_come_in_order_whichever_is_ready_first(threads):
    def slow_at_first(number: int) -> int:
        time.sleep(0.05 if number % 3 == 0 else 0)
        return 10 * number

    assert list(device.each(slow_at_first, range(20), "cpu")) == [10 * number for number in range(20)]


def test_nothing_gives_nothing(threads):
    assert list(device.each(lambda batch: batch, [], "cpu")) == []


def test_there_are_no_gradients_and_each_batch_has_one_thread(threads):
    weight = torch.ones(3, requires_grad=True)
    seen = list(device.each(lambda x: ((x * weight).requires_grad, torch.get_num_threads()), torch.ones(6, 3), "cpu"))
    assert seen == [(False, 1)] * 6


def test_batches_under_way_are_bounded_and_taken_one_at_a_time(threads):
    taken, inside = [], threading.Semaphore(1)

    def batches():
        for number in range(50):
            assert inside.acquire(blocking=False), "two threads ask for a batch at once"
            time.sleep(0.001)
            taken.append(number)
            inside.release()
            yield number

    for done, _ in enumerate(device.each(lambda number: number, batches(), "cpu"), start=1):
        time.sleep(0.005)
        assert len(taken) <= done + 2 * device.AHEAD * threads


@pytest.mark.parametrize("where", ["work", "batches"])
def test_an_error_is_passed_on_and_the_threads_are_as_before(threads, where):
    def fail(number: int) -> int:
        if number == 3:
            raise ValueError("the fourth")
        return number

    work, batches = (fail, range(9)) if where == "work" else (lambda number: number, map(fail, range(9)))
    with pytest.raises(ValueError, match="the fourth"):
        list(device.each(work, batches, "cpu"))
    assert torch.get_num_threads() == threads


def test_left_early_it_gives_torch_its_threads_back(threads):
    answers = device.each(lambda number: number, range(100), "cpu")
    assert next(answers) == 0
    answers.close()
    assert torch.get_num_threads() == threads
    later = []
    worker = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
    worker.start()
    worker.join()
    assert later == [threads]


def test_another_device_takes_one_batch_after_the_other(threads):
    main = threading.get_ident()
    assert list(device.each(lambda _: threading.get_ident(), range(5), "cuda")) == [main] * 5
