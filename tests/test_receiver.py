"""The fixture ``callback_receiver``."""

import dataclasses
import gc
import os
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import freezegun
import pytest
import requests

from fakescale.receiver import Receiver, receiving


def test_a_receiver_records_its_requests(callback_receiver: Receiver) -> None:
    assert callback_receiver.url.startswith("http://127.0.0.1:")
    requests.post(callback_receiver.url, json={"é": 1}, headers={"X-Y": "z"})
    requests.put(f"{callback_receiver.url}/a%2Fb?c=d", data=iter([b"12", b"3"]))
    first, second = callback_receiver.received
    assert (first.method, first.path, first.json) == ("POST", "/callback", {"é": 1})
    assert first.headers["x-y"] == first.headers["X-Y"] == "z"
    assert first.headers["content-type"] == "application/json"
    assert (second.method, second.path, second.body) == ("PUT", "/callback/a%2Fb?c=d", b"123")
    with pytest.raises(TypeError):
        first.headers["x"] = "y"
    with pytest.raises(dataclasses.FrozenInstanceError):
        first.method = "GET"  # type: ignore[misc]
    with pytest.raises(ValueError, match="Expecting value"):
        _ = dataclasses.replace(second, body=b"").json


def test_a_receiver_gives_the_answers_that_were_set_and_then_200(
    callback_receiver: Receiver,
) -> None:
    callback_receiver.answer(503, "later", times=2)
    callback_receiver.answer(201, b"\xff")
    replies = [requests.post(callback_receiver.url) for _ in range(4)]
    assert [(reply.status_code, reply.content) for reply in replies] == [
        (503, b"later"),
        (503, b"later"),
        (201, b"\xff"),
        (200, b""),
    ]
    for status in (100, 99, 600):
        with pytest.raises(ValueError, match=str(status)):
            callback_receiver.answer(status)


def test_a_receiver_can_be_cleared(callback_receiver: Receiver) -> None:
    callback_receiver.answer(503, times=2)
    requests.post(callback_receiver.url)
    callback_receiver.clear()
    assert callback_receiver.received == []
    assert requests.post(callback_receiver.url).status_code == 200


def test_wait_for_waits_for_as_many_requests_as_you_want(callback_receiver: Receiver) -> None:
    assert callback_receiver.wait_for(0) == []
    with ThreadPoolExecutor(4) as pool:
        waits = [pool.submit(callback_receiver.wait_for, number) for number in (3, 1, 2)]
        for _ in range(3):
            pool.submit(requests.post, callback_receiver.url)
        assert [len(wait.result()) >= number for wait, number in zip(waits, (3, 1, 2))]  # noqa: B905
    assert len(callback_receiver.wait_for(3)) == 3


@pytest.mark.parametrize("frozen", [False, True])
def test_a_wait_that_times_out_says_what_came(callback_receiver: Receiver, frozen: bool) -> None:
    requests.post(f"{callback_receiver.url}/x")
    said = "expected 2 callbacks, but 1 came in 0.02 s: POST /callback/x"
    with freezegun.freeze_time() if frozen else pytest.MonkeyPatch.context():
        with pytest.raises(TimeoutError, match=said):
            callback_receiver.wait_for(2, timeout=0.02)
        callback_receiver.clear()
        with pytest.raises(TimeoutError, match="0 came in 0 s: none"):
            callback_receiver.wait_for(1, timeout=0)


@pytest.mark.usefixtures("own_loop")
def test_nothing_is_left_of_a_receiver() -> None:
    def once() -> None:
        with receiving() as receiver:
            requests.post(receiver.url)
            assert repr(receiver) == f"<Receiver at {receiver.url}, 1 received>"

    once()
    gc.collect()  # garbage of other tests must not close descriptors meanwhile
    threads, descriptors = threading.active_count(), len(os.listdir("/dev/fd"))
    for _ in range(20):
        once()
    assert (threading.active_count(), len(os.listdir("/dev/fd"))) == (threads, descriptors)


def test_a_request_that_breaks_off_is_not_recorded(
    callback_receiver: Receiver, capfd: pytest.CaptureFixture[str]
) -> None:
    host, port = callback_receiver.url.split("/")[2].split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n{}")
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(100).startswith(b"HTTP/1.1 400 ")
    assert len(callback_receiver.received) == 0
    assert capfd.readouterr().err == ""
