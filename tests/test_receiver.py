"""The fixture ``callback_receiver``."""

import asyncio
import dataclasses
import gc
import json
import os
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import fastapi
import flask
import freezegun
import pytest
import requests

from fakescale.receiver import Receiver, receiving

HEADER: Any = fastapi.Header()


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


# An application behind the receiver.


def flask_app(seen: list[Any]) -> Any:
    app = flask.Flask("consumer")

    @app.post("/scale/<name>")
    def scale(name: str) -> Any:
        headers = flask.request.headers
        seen.append((name, flask.request.args["q"], flask.request.json, headers["X-Y"]))
        return "no", 418, {"X-Z": "1", "Connection": "close"}

    return app


def fastapi_app(seen: list[Any]) -> Any:
    app = fastapi.FastAPI()

    @app.post("/scale/{name}", status_code=418)
    async def scale(
        name: str, q: str, body: dict[str, Any], response: fastapi.Response, x_y: str = HEADER
    ) -> None:
        seen.append((name, q, body, x_y))
        loops.append(asyncio.get_running_loop())
        response.headers["X-Z"] = "1"

    loops: list[Any] = []
    app.state.loops = loops
    return app


def wsgi_app(seen: list[Any]) -> Any:
    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        body = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
        name, query = environ["PATH_INFO"].removeprefix("/scale/"), environ["QUERY_STRING"]
        name = name.encode("latin-1").decode()
        seen.append((name, query.removeprefix("q="), body, environ["HTTP_X_Y"]))
        start_response("418 Teapot", [("X-Z", "1")])
        yield b"n"
        yield b"o"

    return app


def asgi_app(seen: list[Any]) -> Any:
    class App:
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            body = json.loads((await receive())["body"])
            fields = dict(scope["headers"])
            query = scope["query_string"].decode().removeprefix("q=")
            name = scope["path"].removeprefix("/scale/")
            assert scope["raw_path"] == b"/scale/%C3%A9"
            seen.append((name, query, body, fields[b"x-y"].decode()))
            headers = [(b"x-z", b"1")]
            await send({"type": "http.response.start", "status": 418, "headers": headers})
            for part in (b"n", b"o"):
                more = part == b"n"
                await send({"type": "http.response.body", "body": part, "more_body": more})
            assert (await receive())["type"] == "http.disconnect"

    return App()


@pytest.mark.parametrize("make", [flask_app, fastapi_app, wsgi_app, asgi_app])
def test_an_application_gets_each_request_and_its_answer_is_the_answer(
    callback_receiver: Receiver, make: Any
) -> None:
    seen: list[Any] = []
    url = callback_receiver.forward_to(make(seen), "/scale/é?q=1")
    assert url.endswith("/scale/%C3%A9?q=1")
    for body in (b'{"a": 1}', iter([b'{"a":', b" 1}"])):  # the second is chunked
        headers = {"X-Y": "z", "Content-Type": "application/json"}
        reply = requests.post(url, data=body, headers=headers)
        assert (reply.status_code, reply.headers["X-Z"]) == (418, "1")
        assert reply.content in (b"no", b"null")
    assert seen == [("é", "1", {"a": 1}, "z")] * 2
    assert [it.path for it in callback_receiver.received] == ["/scale/%C3%A9?q=1"] * 2


def test_an_asgi_application_has_one_event_loop(callback_receiver: Receiver) -> None:
    app = fastapi_app([])
    url = callback_receiver.forward_to(app, "/scale/a?q=1")
    with ThreadPoolExecutor(4) as pool:
        for _ in range(8):
            pool.submit(requests.post, url, json={}, headers={"X-Y": "z"})
    assert len(app.state.loops) == 8
    assert len({id(it) for it in app.state.loops}) == 1


def test_answers_that_were_set_come_before_the_application(callback_receiver: Receiver) -> None:
    seen: list[Any] = []
    url = callback_receiver.forward_to(wsgi_app(seen), "/scale/a?q=1")
    callback_receiver.answer(503)
    send = [requests.post(url, json={}, headers={"X-Y": "z"}).status_code for _ in range(2)]
    assert (send, len(seen)) == ([503, 418], 1)
    callback_receiver.forward_to(None)
    assert requests.post(url).status_code == 200
    assert len(callback_receiver.received) == 3


@pytest.mark.parametrize("kind", ["wsgi", "asgi"])
def test_an_application_that_raises_is_logged_and_answers_500(
    callback_receiver: Receiver, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    def app(environ: Any, start_response: Any) -> Any:
        raise ZeroDivisionError("a bug of the application")

    async def async_app(scope: Any, receive: Any, send: Any) -> None:
        raise ZeroDivisionError("a bug of the application")

    url = callback_receiver.forward_to(app if kind == "wsgi" else async_app)
    assert url == callback_receiver.url
    assert requests.post(url).status_code == 500
    assert "ZeroDivisionError: a bug of the application" in caplog.text
    assert len(callback_receiver.received) == 1


def test_an_application_may_call_the_api_back(fakescale: Any, callback_receiver: Receiver) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        task_id = json.load(environ["wsgi.input"])["task_id"]
        url, auth = f"{fakescale.url}/task/{task_id}", (fakescale.api_key, "")
        seen.append(requests.get(url, auth=auth, timeout=10).json()["status"])
        start_response("204 No Content", [])
        return []

    seen: list[str] = []
    fakescale.callback_url = callback_receiver.forward_to(app, "/")
    task = fakescale.tasks.complete(fakescale.tasks.create("chat"))
    fakescale.callbacks.deliver()
    assert seen == ["completed"]
    assert fakescale.tasks.get(task).callback_succeeded


def test_what_cannot_be_forwarded_to_is_refused(callback_receiver: Receiver) -> None:
    with pytest.raises(TypeError, match="WSGI or ASGI application, not 5"):
        callback_receiver.forward_to(5)
    with pytest.raises(ValueError, match="begin with /"):
        callback_receiver.forward_to(None, "scale")


def test_async_code_can_wait_for_callbacks(callback_receiver: Receiver) -> None:
    async def work() -> int:
        waiting = asyncio.create_task(callback_receiver.until(1))
        await asyncio.to_thread(requests.post, callback_receiver.url)
        return len(await waiting)

    assert asyncio.run(work()) == 1
    with pytest.raises(TimeoutError, match="expected 2 callbacks, but 1 came in 0 s"):
        asyncio.run(callback_receiver.until(2, timeout=0))
