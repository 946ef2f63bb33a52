"""A web page that the developer visits cannot control the fake."""

import json
from typing import Any

import pytest
import requests
import werkzeug.test

from fakescale import FakeScale
from fakescale.values.hosts import is_loopback

OURS = {"Content-Type": "application/json"}
LOOPBACK = ["localhost", "LOCALHOST:80", "a.localhost", "127.0.0.1:8675", "127.9.9.9", "[::1]:1"]
FOREIGN = [
    "evil.example",
    "evil.example:8675",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "evillocalhost",
    "10.0.0.1",
    "0.0.0.0",
    "[::2]",
    "127.0.0.1, evil.example",
    "localhost:port",
    "localhost@evil.example",
    "[localhost",
    "",
]


def post(fake: FakeScale, headers: dict[str, str], bound: str = "127.0.0.1", **more: Any) -> Any:
    """Create a task by a control call to a server that listens on ``bound``."""
    headers = {"Host": "localhost", **headers}
    given = {"data": json.dumps({"type": "chat"}), **more}
    return werkzeug.test.Client(fake).post(
        "/_fakescale/tasks.create",
        headers=headers,
        environ_overrides={"SERVER_NAME": bound},
        **given,
    )


def get(fake: FakeScale, path: str, bound: str = "127.0.0.1", **headers: str) -> Any:
    return werkzeug.test.Client(fake).get(
        path, headers=headers, environ_overrides={"SERVER_NAME": bound}
    )


def assert_refused(fake: FakeScale, reply: Any, text: str, status: int = 403) -> None:
    assert reply.status_code == status, reply.data
    assert reply.json["status_code"] == status
    assert text in reply.json["error"]
    assert len(fake.tasks) == 0
    assert not any(name.lower().startswith("access-control") for name, _ in reply.headers)


def test_a_call_with_json_is_answered(fake: FakeScale) -> None:
    for headers in (OURS, {"Content-Type": "application/json; charset=utf-8"}):
        assert post(fake, headers).status_code == 200
    assert len(fake.tasks) == 2


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "text/plain; application/json",
        "text/plain, application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "",
    ],
)
def test_the_content_types_of_forms_and_no_cors_fetches_are_refused(
    fake: FakeScale, kind: str
) -> None:
    reply = post(fake, {"Content-Type": kind})
    assert_refused(fake, reply, '"Content-Type" must be application/json', 400)


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "https://evil.example",
        "http://localhost.evil.example:8675",
        "http://10.0.0.1",
        "file://localhost",
        "http://localhost/x",
        "http://evil.example http://localhost",
        "",
    ],
)
def test_a_foreign_origin_is_refused(fake: FakeScale, origin: str) -> None:
    assert_refused(fake, post(fake, {**OURS, "Origin": origin}), "foreign")


@pytest.mark.parametrize("origin", ["http://localhost", "https://127.0.0.1:3000", "http://[::1]"])
def test_an_origin_on_loopback_is_not_foreign(fake: FakeScale, origin: str) -> None:
    assert post(fake, {**OURS, "Origin": origin}).status_code == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_call_that_the_browser_marks_as_foreign_is_refused(fake: FakeScale, site: str) -> None:
    assert_refused(fake, post(fake, {**OURS, "Sec-Fetch-Site": site}), "another origin")
    for own in ("same-origin", "none"):
        assert get(fake, "/_fakescale/", **{"Sec-Fetch-Site": own}).status_code == 200


@pytest.mark.parametrize("host", FOREIGN)
def test_a_rebound_host_is_refused_everywhere(fake: FakeScale, host: str) -> None:
    assert_refused(fake, post(fake, {**OURS, "Host": host}), "The Host")
    key = {"Authorization": f"Bearer {fake.api_key}"}
    for path in ("/v1/tasks", "/_fakescale/health", "/_fakescale/", "/nowhere"):
        assert_refused(fake, get(fake, path, Host=host, **key), "The Host")
    assert [exchange.status for exchange in fake.requests] == [403, 403]  # only those to the API


def test_a_control_call_without_a_host_is_refused(fake: FakeScale) -> None:
    environ = werkzeug.test.create_environ("/_fakescale/tasks.create", method="POST", json={})
    del environ["HTTP_HOST"]
    content, status, _ = werkzeug.test.run_wsgi_app(fake, environ)
    assert status == "403 Forbidden"
    assert b"needs the header Host" in b"".join(content)


@pytest.mark.parametrize("host", LOOPBACK)
def test_every_loopback_name_is_accepted_as_host(fake: FakeScale, host: str) -> None:
    assert get(fake, "/_fakescale/health", Host=host).status_code == 200
    assert post(fake, {**OURS, "Host": host}).status_code == 200


def test_allowed_hosts_and_the_bound_one_are_accepted_as_hosts() -> None:
    fake = FakeScale(allow_hosts=["box", "10.1.2.3", "fd00::1"], control_token="t")
    headers = {**OURS, "Authorization": "Bearer t"}
    for host in ("box", "BOX:8675", "10.1.2.3:1", "[fd00::1]:2", "[fd00:0::1]"):
        assert post(fake, {**headers, "Host": host}).status_code == 200
        assert post(fake, {**headers, "Origin": f"http://{host}"}).status_code == 200
    assert post(fake, {**headers, "Host": "10.9.9.9"}, bound="10.9.9.9").status_code == 200
    assert post(fake, {**headers, "Host": "other"}, bound="10.9.9.9").status_code == 403


def test_a_server_on_all_addresses_accepts_any_address_but_no_name() -> None:
    fake = FakeScale(control_token="t")
    for bound in ("0.0.0.0", "::"):
        assert get(fake, "/_fakescale/health", bound, Host="10.1.2.3:80").status_code == 200
        assert get(fake, "/_fakescale/health", bound, Host="[fd00::1]").status_code == 200
        assert get(fake, "/_fakescale/health", bound, Host="evil.example").status_code == 403
    headers = {**OURS, "Authorization": "Bearer t", "Host": "10.1.2.3"}
    reply = post(fake, {**headers, "Origin": "http://10.6.6.6"}, bound="0.0.0.0")
    assert_refused(fake, reply, "foreign")
    reply = post(fake, {**headers, "Origin": "http://10.1.2.3:80"}, bound="0.0.0.0")
    assert reply.status_code == 200


@pytest.mark.parametrize("host", ["", "a:80", "http://a", "a b", "*"])
def test_an_allowed_host_that_no_header_can_hold_is_an_error(host: str) -> None:
    with pytest.raises(ValueError, match="is not a host"):
        FakeScale(allow_hosts=[host])


def test_no_answer_allows_another_origin(fake: FakeScale) -> None:
    asks = {"Origin": "http://localhost:3000", "Access-Control-Request-Method": "POST"}
    client = werkzeug.test.Client(fake)
    for path in ("/_fakescale/tasks.create", "/_fakescale/", "/_fakescale/health"):
        assert_refused(fake, client.options(path, headers=asks), "", 404)
        foreign = {**asks, "Origin": "http://evil.example"}
        assert_refused(fake, client.options(path, headers=foreign), "foreign")
    assert_refused(fake, client.options("/v1/tasks", headers=asks), "", 401)
    allowed = post(fake, {**OURS, "Origin": "http://localhost:3000"})
    assert not any(name.lower().startswith("access-control") for name, _ in allowed.headers)


def test_a_control_token_is_needed_once_it_is_set() -> None:
    fake = FakeScale(control_token="sécret")
    for header in (None, "", "Bearer", "Bearer wrong", "sécret", "Basic sécret", "Bearer sécre"):
        raw = {} if header is None else {"Authorization": header.encode().decode("latin-1")}
        assert_refused(fake, post(fake, {**OURS, **raw}), "Authorization: Bearer TOKEN")
        assert_refused(fake, get(fake, "/_fakescale/", **raw), "Authorization: Bearer TOKEN")
    right = {"Authorization": "Bearer sécret".encode().decode("latin-1")}
    assert post(fake, {**OURS, **right}).status_code == 200
    assert get(fake, "/_fakescale/", **right).status_code == 200
    assert get(fake, "/_fakescale/health").status_code == 200
    # The other checks hold with the token too.
    assert post(fake, {**OURS, **right, "Origin": "http://evil.example"}).status_code == 403
    with pytest.raises(ValueError, match="must not be empty"):
        FakeScale(control_token="")


@pytest.mark.parametrize("bound", ["0.0.0.0", "::", "10.1.2.3", "box"])
def test_control_beyond_loopback_needs_a_token(fake: FakeScale, bound: str) -> None:
    assert_refused(fake, post(fake, OURS, bound), "switched off")
    assert_refused(fake, get(fake, "/_fakescale/", bound), "switched off")
    assert get(fake, "/_fakescale/health", bound).status_code == 200
    key = {"Authorization": f"Bearer {fake.api_key}"}
    assert get(fake, "/v1/tasks", bound, **key).status_code == 200


def test_the_checks_hold_on_a_socket_too(fake: FakeScale) -> None:
    with fake.serve(host="0.0.0.0"):
        url = fake.url.replace("0.0.0.0", "127.0.0.1").replace("/v1", "/_fakescale")
        reply = requests.post(f"{url}/tasks.create", json={"type": "chat"}, timeout=10)
        assert (reply.status_code, len(fake.tasks)) == (403, 0)
    with fake.serve(host="localhost"):
        url = fake.url.replace("/v1", "/_fakescale")
        assert requests.post(f"{url}/tasks.create", json={"type": "chat"}, timeout=10).ok
        rebound = requests.get(f"{url}/", headers={"Host": "evil.example"}, timeout=10)
        assert rebound.status_code == 403


def test_a_server_accepts_the_name_that_it_was_bound_by(
    fake: FakeScale, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    look_up = socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *more, **named: look_up(
            "127.0.0.1" if host == "box" else host, *more, **named
        ),
    )
    with fake.serve(host="box"):
        health = fake.url.replace("/v1", "/_fakescale/health")
        for host, status in (("box", 200), ("box:1", 200), ("other", 403)):
            assert requests.get(health, headers={"Host": host}, timeout=10).status_code == status


def test_loopback_names_and_addresses_are_known() -> None:
    for name in ("localhost", "x.localhost", "127.0.0.1", "127.255.0.9", "::1"):
        assert is_loopback(name)
    for name in ("", "localhost.x", "128.0.0.1", "0.0.0.0", "::", "::2", "xlocalhost"):
        assert not is_loopback(name)
