import contextlib
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor

from fakescale.values.locks import PatientLock


def test_a_call_is_made_once_the_outermost_block_has_ended() -> None:
    lock, made = PatientLock(), []
    with lock:
        with lock:
            lock.afterwards(lambda: made.append(lock._is_owned()))
        assert made == []
    assert made == [False]
    lock.afterwards(lambda: made.append(True))  # with no block around it
    assert made == [False, True]


def test_another_thread_can_take_the_lock_meanwhile() -> None:
    lock, taken = PatientLock(), threading.Event()

    def take() -> None:
        with lock:
            taken.set()

    with ThreadPoolExecutor(1) as pool, lock:
        lock.afterwards(lambda: pool.submit(take).result(10))
    assert taken.is_set()


def test_calls_are_made_in_order_even_if_the_block_fails() -> None:
    lock, made = PatientLock(), []
    with contextlib.suppress(ZeroDivisionError), lock:
        lock.afterwards(lambda: made.append(1))
        lock.afterwards(lambda: made.append(2))
        raise ZeroDivisionError
    assert made == [1, 2]


def test_it_is_a_lock_of_python_where_threading_has_no_other() -> None:
    """gevent and eventlet put such a class in place of the one of C."""
    program = """
        import threading
        threading.RLock = threading._PyRLock
        from fakescale import FakeScale
        assert FakeScale().tasks.create("chat").status == "pending"
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True)
