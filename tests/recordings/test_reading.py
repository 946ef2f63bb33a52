"""Files are read: each form, in pieces, in order of time; and the errors name file and exchange."""

import asyncio
import base64
import contextlib
import datetime as dt
import gzip
import itertools
import json
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest
import requests
import vcr  # type: ignore[import-untyped]

from fakescale import FakeScale, redirect
from fakescale.cli import main
from fakescale.recordings import json_items, texts
from fakescale.recordings.exchanges import Recorded, Unreadable
from fakescale.recordings.reading import in_order, read
from tests.recordings import samples
from tests.recordings.samples import ANSWER, LINE, SAMPLES, har, har_entry, ruby

File = Callable[[str | bytes], Path]


@pytest.fixture
def file(tmp_path: Path) -> File:
    """Return a function that writes a file, and returns its path."""
    numbers = itertools.count()

    def write(content: str | bytes) -> Path:
        path = tmp_path / f"{next(numbers)}.recording"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def one(path: Path) -> Recorded:
    (exchange,) = read([path])
    return exchange


def failure(path: str | Path) -> str:
    """Return the error of a file, which names it."""
    with pytest.raises(Unreadable) as caught:
        list(read([path]))
    assert str(path) in str(caught.value)
    return str(caught.value).replace(str(path), "FILE")


# Each form.


@pytest.mark.parametrize("serializer", ["yaml", "json"])
def test_a_cassette_that_vcrpy_records(serializer: str, tmp_path: Path, fake: FakeScale) -> None:
    path = tmp_path / "cassette"
    with (
        redirect(fake),
        vcr.use_cassette(str(path), serializer=serializer),
        requests.Session() as session,
    ):
        session.auth = ("live_me", "")
        body = {"instruction": "héllo", "attachment": "https://e.com/a.jpg"}
        session.post("https://api.scale.com/v1/task/imageannotation?a=b", json=body)
        session.get("https://api.scale.com/v1/task/nope")
    sent = fake.requests
    recorded = list(read([path]))
    assert [(it.method, it.url, it.body, it.status, it.answer) for it in recorded] == [
        (it.method, f"https://api.scale.com{it.target}", it.body, it.status, it.answer)
        for it in sent
    ]
    assert ("Authorization", "Basic bGl2ZV9tZTo=") in recorded[0].headers
    # The answer's header Date is all that it tells of the time.
    assert [it.when for it in recorded] == [it.when.replace(microsecond=0) for it in sent]
    assert [it.source for it in recorded] == [f"{path}, exchange {it}" for it in (1, 2)]


@pytest.mark.parametrize("serializer", ["yaml", "json"])
def test_a_cassette_of_aiohttp_has_bodies_of_json(
    serializer: str, tmp_path: Path, fake: FakeScale
) -> None:
    path = tmp_path / "cassette"
    body = {"instruction": "1.5", "metadata": {"a": [1, -1.5, True, None, "true", "null", {}]}}

    async def call() -> None:
        async with aiohttp.ClientSession() as session:
            headers = {"Authorization": "Bearer live_me"}
            url = "https://api.scale.com/v1/task/chat"
            async with session.post(url, json=body, headers=headers) as answer:
                await answer.read()

    with redirect(fake), vcr.use_cassette(str(path), serializer=serializer):
        asyncio.run(call())
    recorded = one(path)
    assert json.loads(recorded.body) == body == fake.requests[0].json
    assert ("Content-Type", "application/json") in recorded.headers


def test_a_cassette_of_httpx_with_bytes(tmp_path: Path, fake: FakeScale) -> None:
    path, files = tmp_path / "cassette", {"file": ("a.png", b"\xff\x00\r\n", "image/png")}
    with (
        redirect(fake),
        vcr.use_cassette(str(path)),
        httpx.Client(auth=("live_me", "")) as client,
    ):
        client.post("https://api.scale.com/v1/files/upload", files=files, data={"a": "b"})
    assert b"\xff\x00\r\n" in one(path).body


def test_a_cassette_of_ruby(file: File) -> None:
    first, second = read([file(samples.RUBY_YAML)])
    assert first.method == "POST"
    assert first.body == '{"instruction":"héllo"}'.encode()
    assert ("Authorization", "Basic bGl2ZV9ydWJ5Og==") in first.headers  # the user in the URL
    assert first.answer == second.answer == ANSWER.encode()
    assert first.when == dt.datetime(2021, 6, 29, 20, 21, 53, tzinfo=dt.UTC)
    third = one(file(samples.RUBY_JSON))
    assert (third.method, third.status, third.when) == ("GET", 401, first.when)
    latin = json.dumps({"http_interactions": [ruby(encoding="ISO-8859-1", body="é")]})
    assert one(file(latin)).body == b"\xe9"


def test_an_old_cassette_of_vcrpy(file: File) -> None:
    first, second = read([file(samples.VCRPY_YAML)])
    assert (first.body, first.status, first.answer) == (b'{"a": 1}', 400, b'{"error": "x"}')
    assert first.answer_headers[0] == ("Accept", "*/*")  # an alias
    assert (second.status, second.answer, second.when) == (200, b'{"docs": []}', None)
    assert second.source.endswith("exchange 3")  # another host's exchange is counted


def test_hars_of_browsers_and_proxies(file: File) -> None:
    chrome = one(file(samples.CHROME))
    assert chrome.headers == []  # no pseudo header
    assert chrome.body == '{"instruction":"héllo"}'.encode()
    assert chrome.answer == ANSWER.encode()  # it is not in gzip, as its header says
    assert chrome.when == dt.datetime(2021, 6, 29, 20, 21, 53, 289000, tzinfo=dt.UTC)
    firefox, upload = read([file(samples.FIREFOX)])
    assert (firefox.method, firefox.answer) == ("GET", ANSWER.encode())
    assert upload.body == (
        b'------b1\r\nContent-Disposition: form-data; name="project_name"\r\n\r\np\r\n'
        b'------b1\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n'
        b"Content-Type: image/png\r\n\r\n\r\n------b1--\r\n"
    )
    assert one(file(samples.MITMPROXY)).body == b"a=b+c"


def test_lines_of_json(file: File) -> None:
    first, second = read([file(samples.LINES)])
    assert first[2:] != second[2:]
    assert (first.answer, second.answer) == (ANSWER.encode(), ANSWER.replace(" ", "").encode())
    assert second.headers == [("A", "b")]
    binary = LINE | {"body_base64": base64.b64encode(b"\xff").decode(), "answer": "\udcff"}
    assert one(file(json.dumps([binary])))[3:7:3] == (b"\xff", b"\xff")


def test_the_exchanges_that_the_command_prints(
    fake: FakeScale, file: File, capsys: pytest.CaptureFixture[str]
) -> None:
    with fake.serve():
        requests.get(f"{fake.url}/tasks?limit=2", auth=(fake.api_key, ""), timeout=9)
        fake.faults.add(reset="before", times=1)
        with pytest.raises(requests.ConnectionError):
            requests.get(fake.url, timeout=9)
        main(["requests", "--json", "-u", fake.url])
    recorded, sent = one(file(capsys.readouterr().out)), fake.requests[0]
    assert recorded.url == "https://api.scale.com/v1/tasks?limit=2"
    assert recorded.headers == [*sent.headers.items()]
    assert (recorded.answer, recorded.when) == (sent.answer, sent.when)


def test_the_encoding_of_a_file(file: File) -> None:
    expected = len(list(read([file(samples.LINES)])))
    for encoding in ("utf-8-sig", "utf-16", "utf-16-be", "utf-16-le", "utf-32"):
        for text in (samples.LINES, samples.VCRPY_YAML):
            assert len(list(read([file(text.encode(encoding))]))) == expected


def test_the_encoding_of_a_body(file: File) -> None:
    content = b'{"a": 1}'
    packer = zlib.compressobj(wbits=-15)
    for name, body in {
        "gzip": gzip.compress(content),
        "GZIP, deflate": zlib.compress(gzip.compress(content)),
        "deflate": packer.compress(content) + packer.flush(),
        "br": content,  # the recorder decoded it, and left the header
    }.items():
        line = LINE | {
            "headers": {"content-encoding": name},
            "body_base64": base64.b64encode(body).decode(),
        }
        assert one(file(json.dumps(line))).body == content


# Order, and hosts.


def test_hosts_of_your_own(file: File) -> None:
    path = file(har(har_entry(request={"url": "http://LOCALHOST.:8675/v1/tasks"})))
    assert list(read([path])) == []
    assert len(list(read([path], hosts=["localhost"]))) == 1


def test_files_are_merged_by_time(file: File) -> None:
    def recording(*moments: str | None) -> Path:
        return file("".join(json.dumps(LINE | {"when": it}) + "\n" for it in moments))

    def day(number: int) -> str:
        return f"2021-01-{number:02}"

    paths = [
        recording(day(9), day(12)),
        recording(day(2), day(11), None, day(10), day(13)),
        recording(),
        recording(day(3), day(1)),
        recording(None),
    ]
    paths[2].write_text("[]")
    order = [(paths.index(Path(it.source.split(",")[0])), it.when) for it in in_order(paths)]
    days = [(place, when and when.day) for place, when in order]
    assert days == [
        (4, None), (1, 2), (3, 1), (3, 3), (0, 9), (1, 10), (1, 11), (1, None), (0, 12), (1, 13)
    ]  # fmt: skip


def test_the_paths_must_be_several() -> None:
    with pytest.raises(TypeError, match="several"):
        list(read("file"))


# Hostile files.


@pytest.mark.parametrize("name", SAMPLES)
def test_a_file_cut_off_anywhere(name: str, tmp_path: Path) -> None:
    content = SAMPLES[name].encode()
    path = tmp_path / name
    path.write_bytes(content)
    whole = list(read([path]))
    # Every few characters, so that the test is quick; the steps differ between the samples.
    for end in range(0, len(content), 1 + len(content) // 150):
        path.write_bytes(content[:end])
        found: list[Recorded] = []
        with contextlib.suppress(Unreadable):  # and no other error
            found.extend(read([path]))
        assert len(found) <= len(whole)
        assert found[:-1] == whole[: len(found)][:-1]  # YAML may end early, and still be whole


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "FILE: it is empty"),
        (" \n", "FILE: it is empty"),
        ("\x00", "FILE, exchange 1: it is not YAML"),
        ("{", "FILE, exchange 1: it is cut off"),
        ('{"a": 1}', "FILE, exchange 1: it is no exchange: it has no url"),
        ('{"url": 1}', "FILE, exchange 1: it has no url"),
        (
            json.dumps(LINE | {"url": "https://api.scale.com/\ud800"}),
            "exchange 1: its url has half",
        ),
        ("[1]", "FILE, exchange 1: it is not an object"),
        ("[{]", "FILE, exchange 1: it is not JSON"),
        (f"[{json.dumps(LINE)} 2]", "exchange 2: it is not JSON: '2' is unexpected"),
        ('{"a" 1}', "it is not JSON: '1' is unexpected"),
        ("{1: 1}", "it is not JSON: '1' is unexpected"),
        ('["\x00"]', "it is not JSON"),
        ("[" * 100_000, "nested deeper"),
        ("{" + '"a":1,' * 20_000, "it has over 10000 members"),
        ("[" + "9" * 5000 + "]", "digits"),
        (b'{"\xff": 1}', "it is not UTF-8"),
        (b"\xff\xfe{\x00\xff", "it is not UTF-16"),
        (gzip.compress(b"{}"), "FILE: it is packed with gzip; unpack it first"),
        (har(1), "it has no request"),
        (har(har_entry(request={"url": 1})), "it has no url"),
        (har(har_entry(response={"status": "OK"})), "it has no status"),
        (har(har_entry(response={"status": 99})), "its status is 99"),
        (har(har_entry(request={"method": "G ET"})), "its method is 'G ET'"),
        (har(har_entry(request={"headers": 1})), "headers are neither"),
        (har(har_entry(request={"headers": [1]})), "header is neither"),
        (har(har_entry(request={"headers": [["a", {}]]})), "header is not a text"),
        (har(har_entry(response={"content": 1})), "content is not an object"),
        (har(har_entry(response={"content": {"text": 1}})), "neither a text nor bytes"),
        (
            har(har_entry(response={"content": {"encoding": "base64", "text": "é!"}})),
            "base64 is broken",
        ),
        (har(har_entry(), har_entry(request={"postData": {"params": [1]}})), "exchange 2: the par"),
        (
            json.dumps(LINE | {"headers": {"Content-Encoding": "br"}, "body": "\udcff"}),
            "compressed with br",
        ),
        (
            json.dumps(LINE | {"body_base64": base64.b64encode(gzip.compress(b"a")[:-1]).decode()}),
            "cut off",
        ),
        (
            json.dumps(LINE | {"body_base64": base64.b64encode(b"\x1f\x8b" * 20).decode()}),
            "is broken",
        ),
        ("a: 1", "it is not a recording: it has no interactions"),
        ("- a", "it is not a recording"),
        ("text", "it is not a recording"),
        ("a: [", "it is not YAML, line"),
        ("interactions: [{request: !!python/object/apply:os.system [ls]}]", "it has the tag"),
        ("interactions: [{request: !ruby/object:Foo {}}]", "it has the tag"),
        ("interactions: [!!python/name:os.system '']", "it has the tag"),
        ("interactions: [*a]", "*a is not the name of a value before it"),
        ("interactions: [&a [*a]]", "*a is not the name"),
        ("interactions: [!!binary é]", "base64 is broken"),
        ("interactions: [{{a: 1}: 1}]", "name of a member is not a text"),
        ("interactions: [{<<: 1}]", "<< merges"),
        ("interactions: " + "[" * 200, "nested deeper than 100"),
        ("interactions: " + "[" * 100_000, "nesting"),
        ("interactions: [1]", "it has no request"),
        ("interactions: [{request: {uri: !!binary aHR0cHM6Ly9hcGkuc2NhbGUuY29tLw==}}]", "response"),
    ],
)
def test_a_broken_file(content: str | bytes, reason: str, file: File) -> None:
    assert reason in failure(file(content))


def test_names_that_psych_writes_in_base64(file: File) -> None:
    headers = "headers: {!binary Q29udGVudC1UeXBl: [!binary YS9i]}"
    path = file(
        "http_interactions:\n"
        f"- request: {{method: !binary Z2V0, uri: 'https://api.scale.com/', {headers}}}\n"
        f"  response: {{status: {{code: 200}}, {headers}}}\n"
    )
    assert one(path)[:3] == ("GET", "https://api.scale.com/", [("Content-Type", "a/b")])


def test_entries_that_did_not_reach_the_api_are_left_out(file: File) -> None:
    tunnel = {"method": "CONNECT", "url": "https://api.scale.com:443"}
    cached = {**har_entry(), "_fromCache": "disk"}
    assert list(read([file(har(cached, har_entry(request=tunnel)))])) == []


def test_the_time_of_fiddler_is_finer_than_ours(file: File) -> None:
    entry = {**har_entry(), "startedDateTime": "2021-06-29T22:21:53.2891234+02:00"}
    when = one(file(har(entry).encode("utf-8-sig"))).when
    assert when == dt.datetime(2021, 6, 29, 20, 21, 53, 289123, tzinfo=dt.UTC)


def test_merge_keys(file: File) -> None:
    path = file(
        "defaults: &a {method: GET, headers: {}}\n"
        "interactions:\n"
        "- request: {<<: *a, method: PUT, uri: 'https://api.scale.com/'}\n"
        "  response: {<<: [{status: {code: 200}}, {status: {code: 300}}]}\n"
    )
    assert one(path)[0:5:4] == ("PUT", 200)


def test_a_few_lines_that_stand_for_gigabytes(file: File) -> None:
    laughs = "interactions:\n- a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n"
    for number in range(9):
        names = ", ".join([f"*a{number}"] * 9)
        laughs += f"  a{number + 1}: &a{number + 1} [{names}]\n"
    assert "with its aliases" in failure(file(laughs))


def test_bounds(file: File, monkeypatch: pytest.MonkeyPatch) -> None:
    from fakescale.recordings import bodies, yaml_items

    for module in (bodies, texts, yaml_items):
        monkeypatch.setattr(module, "MAX_EXCHANGE", 9000)
    monkeypatch.setattr(json_items, "_PIECE", 100)
    long = "a" * 20_000
    line = json.dumps(LINE)
    assert "exchange 51: it is over" in failure(file(f"{line}\n" * 50 + json.dumps([long])))
    assert "exchange 31: it is over" in failure(file(har(*[har_entry()] * 30, [long])))
    assert "it is over" in failure(file(f"interactions: ['{long}']"))
    bomb = base64.b64encode(gzip.compress(bytes(20_000))).decode()
    assert "once it is unpacked" in failure(file(json.dumps(LINE | {"body_base64": bomb})))
    anchors = "".join(f"- &a{it} {'b' * 2000}\n" for it in range(9))
    anchors = anchors.replace("- ", "- request: {uri: 'https://e.com'}\n  x: ")
    assert "anchors hold over" in failure(file(f"interactions:\n{anchors}"))
    monkeypatch.setattr(texts, "MAX_FILE", 100)
    assert "it is over 0 GiB" in failure(file(line))


def test_files_that_are_none(tmp_path: Path) -> None:
    assert "No such file" in failure(tmp_path / "missing")
    assert "it is a directory" in failure(tmp_path)
    assert "it is a device" in failure(os.devnull)
    assert "null" in failure("a\0b")
    link = tmp_path / "link"
    link.symlink_to("nowhere")
    assert "No such file" in failure(link)
    (tmp_path / "nowhere").write_text(samples.LINES)
    assert len(list(read([link]))) == 2
    os.mkfifo(tmp_path / "pipe")
    assert "it is a pipe" in failure(tmp_path / "pipe")


def test_without_pyyaml(file: File, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.delitem(sys.modules, "fakescale.recordings.yaml_items", raising=False)
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(ImportError, match=r"fakescale\[recordings\]"):
        list(read([file(samples.RUBY_YAML)]))
    assert one(file(samples.CHROME))


@pytest.mark.parametrize("indent", [None, 1, 40])
def test_the_pieces_of_a_file_may_end_anywhere(
    indent: int | None, file: File, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = [har_entry(request={"postData": {"text": '\\"é\ud83d\ude00', "n": -1.5e9}})] * 3
    path = file(json.dumps(json.loads(har(*entries)), indent=indent))
    whole = list(read([path]))
    for size in range(1, 200, 7):
        monkeypatch.setattr(json_items, "_PIECE", size)
        assert list(read([path])) == whole


def test_memory_is_bounded(file: File) -> None:
    """A file is read in pieces, and an exchange is let go before the next one."""
    import tracemalloc

    entry: Any = har_entry(request={"postData": {"text": "a" * 10_000}})
    path = file(har(*[entry] * 1000))
    tracemalloc.start()
    try:
        assert sum(1 for _ in read([path])) == 1000
        assert tracemalloc.get_traced_memory()[1] < 3_000_000 < path.stat().st_size
    finally:
        tracemalloc.stop()
