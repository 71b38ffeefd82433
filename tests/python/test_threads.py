"""Threads and processes. Nothing here depends on how long something takes."""

import gc
import os
import threading

import numpy
import pipersr
import pytest

from picture_makers import scene

LARGE = (200, 240)


def test_python_runs_on_while_the_network_does():
    counted = 0
    during = []
    begun, finished = threading.Event(), threading.Event()

    def work():
        with pipersr.Upscaler(threads=1) as upscaler:
            picture = scene(*LARGE)
            begun.set()
            before = counted
            upscaler.frame(picture)
            during.append(counted - before)
        finished.set()

    worker = threading.Thread(target=work)
    worker.start()
    begun.wait()
    while not finished.is_set():
        counted += 1
    worker.join()
    # With the lock held, the loop would have turned a few times on either side of the call at most.
    assert during[0] > 1000


def test_two_upscalers_run_at_once():
    expected = {}
    with pipersr.Upscaler(model="pipersr-x2-fast") as upscaler:
        expected["small"] = upscaler.frame(scene(16, 16))
    results = {}
    begun, finished = threading.Event(), threading.Event()

    def large():
        with pipersr.Upscaler(threads=1) as upscaler:
            picture = scene(*LARGE)
            begun.set()
            results["large"] = upscaler.frame(picture)
        finished.set()

    worker = threading.Thread(target=large)
    worker.start()
    small = 0
    with pipersr.Upscaler(model="pipersr-x2-fast", threads=1) as upscaler:
        begun.wait()
        while not finished.is_set():
            results["small"] = upscaler.frame(scene(16, 16))
            small += 1
    worker.join()
    assert small > 1  # frames of the one were finished within one call of the other
    assert numpy.array_equal(results["small"], expected["small"])
    with pipersr.Upscaler() as upscaler:
        assert numpy.array_equal(results["large"], upscaler.frame(scene(*LARGE)))


def test_threads_that_share_one_wait_for_each_other():
    pictures = [scene(20 + i, 30) for i in range(8)]
    with pipersr.Upscaler(model="pipersr-x2-fast") as upscaler:
        expected = [upscaler.frame(each) for each in pictures]
        results = [None] * len(pictures)

        def work(i):
            for _ in range(5):
                results[i] = upscaler.frame(pictures[i])

        workers = [threading.Thread(target=work, args=(i,)) for i in range(len(pictures))]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    assert all(numpy.array_equal(one, other) for one, other in zip(results, expected))


def test_cancel_ends_a_call_and_all_later_ones():
    upscaler = pipersr.Upscaler(model="pipersr-x2-fast", isa="c", threads=1)  # slow
    begun = threading.Event()
    raised = []

    def work():
        begun.set()
        try:
            while True:
                upscaler.frame(scene(*LARGE))
        except pipersr.Cancelled as error:
            raised.append(str(error))

    worker = threading.Thread(target=work)
    worker.start()
    begun.wait()
    upscaler.cancel()
    worker.join()
    assert len(raised) == 1
    with pytest.raises(pipersr.Cancelled):
        upscaler.upscale(scene())


def test_cancel_meets_close():
    """What may be called from any thread finds an upscaler that is alive, or is told that it is closed."""
    for _ in range(30):
        upscaler = pipersr.Upscaler(model="pipersr-x2-fast", threads=1)
        told = []

        def disturb(upscaler=upscaler, told=told):
            try:
                while True:
                    upscaler.cancel()
                    assert upscaler.threads == 1
            except pipersr.StateError as error:
                told.append(str(error))

        others = [threading.Thread(target=disturb) for _ in range(3)]
        for each in others:
            each.start()
        upscaler.close()
        for each in others:
            each.join()
        assert told == ["this Upscaler is closed"] * 3


def test_a_closed_one_says_so():
    with pipersr.Upscaler() as upscaler:
        rows = upscaler.rows(8, 8)
    for call in (
        lambda: upscaler.frame(scene()),
        lambda: upscaler.upscale(scene()),
        lambda: upscaler.rows(4, 4),
        lambda: rows.push(scene(8, 8)),
        lambda: upscaler.precision,
        upscaler.cancel,
    ):
        with pytest.raises(pipersr.StateError, match="closed"):
            call()
    upscaler.close()  # once more does nothing
    assert "closed" in repr(upscaler)


def _in_child(work):
    """Exit status of a forked child that does `work`."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        except BaseException:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_is_told_and_does_not_hang():
    upscaler = pipersr.Upscaler()
    upscaler.frame(scene())

    def use():
        try:
            upscaler.frame(scene())
        except pipersr.StateError as error:
            assert "forked" in str(error)
        else:
            raise AssertionError

    def let_go():
        nonlocal upscaler
        upscaler.close()
        del upscaler
        gc.collect()  # frees what the child has of it, without waiting for threads that are not there

    def make_another():
        with pipersr.Upscaler() as own:
            own.frame(scene())

    if hasattr(os, "waitstatus_to_exitcode"):
        assert [_in_child(use), _in_child(make_another), _in_child(let_go)] == [0, 0, 0]
    upscaler.close()


def test_models_outlive_what_made_them():
    upscaler = pipersr.Upscaler(model=pipersr.Model("pipersr-x2-fast"))
    gc.collect()
    assert upscaler.model.info.name == "pipersr-x2-fast"
    assert upscaler.frame(scene()).shape == (48, 62, 3)
