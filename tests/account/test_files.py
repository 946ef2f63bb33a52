import hashlib
import re
import tracemalloc
from typing import Any

import pytest
import requests

from fakescale import ApiError, FakeScale, Limits
from fakescale.account import files
from fakescale.account.files import MAX_UPLOAD
from fakescale.api.v1 import files as views
from tests.support import Caller, Reply

UUID = "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


def multipart(*parts: tuple[str, bytes]) -> bytes:
    body = b"".join(
        f"--X\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode() + content + b"\r\n"
        for head, content in parts
    )
    return body + b"--X--\r\n"


def upload(live: Caller, *parts: tuple[str, bytes], data: bytes | None = None) -> Reply:
    return live(
        "POST",
        "/files/upload",
        data=multipart(*parts) if data is None else data,
        headers={"Content-Type": "multipart/form-data; boundary=X"},
    )


FILE = 'name="file"; filename="a.png"\r\nContent-Type: image/png'


def test_an_upload_has_a_size_a_type_and_a_digest(fake: FakeScale, live: Caller) -> None:
    content = bytes(range(256)) * 1000 + b"\r\n--X-\r\n"
    reply = upload(
        live,
        ('name="project_name"', b"p"),
        (FILE, content),
        ('name="metadata"', b'{"k": 1}'),
        ('name="display_name"', "ü".encode()),
        ('name="reference_id"', b"r"),
        ('name="mime_type"', b"ignored"),
    )
    assert reply.status == 200, reply.json
    file = reply.json
    assert re.fullmatch(UUID, file["id"])
    assert re.fullmatch(f"scaledata://[0-9a-f]{{24}}/{UUID}", file["attachment_url"])
    assert file["id"] not in file["attachment_url"]
    assert file == {
        "id": file["id"],
        "attachment_url": file["attachment_url"],
        "created_at": file["created_at"],
        "updated_at": file["created_at"],
        "mime_type": "image/png",
        "size": len(content),
        "project_names": ["p"],
        "display_name": "ü",
        "reference_id": "r",
        "metadata": {"k": 1},
    }
    [stored] = fake.files
    assert stored.sha256 == hashlib.sha256(content).hexdigest()
    assert stored.content is None
    assert fake.requests[-1].body == b""


def test_names_of_an_upload_nest_and_repeat(live: Caller) -> None:
    names = ["metadata[a][b]", "metadata[c]", "metadata[c]", "metadata[d][]", "metadata[d][]"]
    texts = [(f'name="{name}"', str(n).encode()) for n, name in enumerate(names)]
    reply = upload(live, *texts, (FILE, b"x"))
    assert reply.json["metadata"] == {"a": {"b": "0"}, "c": ["1", "2"], "d": ["3", "4"]}


def test_content_is_kept_on_request(fake: FakeScale, live: Caller) -> None:
    fake.files.keep_content = True
    file = fake.files.get(upload(live, (FILE, b"\0\r\nx")).json["id"])
    assert file.content == b"\0\r\nx"
    assert fake.files.upload(b"y").content == b"y"


@pytest.mark.parametrize(
    ("parts", "data"),
    [
        ([('name="display_name"', b"x")], None),
        ([('name="file"', b"a text, for it has no filename")], None),
        ([('name="other"; filename="a"', b"x")], None),
        ([(FILE, b"x"), ('name="metadata"', b"[1]")], None),
        ([(FILE, b"x"), ('name="metadata"', b"{")], None),
        ([(FILE, b"x"), ('name="metadata"', b'{"a": NaN}')], None),
        ([(FILE, b"x"), ('name="display_name"', b"x" * 600_000)], None),
        ([], b""),
        ([], b"nothing like it"),
        ([], multipart((FILE, b"broken off"))[:-10]),
    ],
)
def test_a_bad_upload_is_refused_and_stores_nothing(
    fake: FakeScale, live: Caller, parts: Any, data: bytes | None
) -> None:
    assert upload(live, *parts, data=data).status == 400
    assert len(fake.files) == 0


@pytest.mark.parametrize(
    "parts",
    [
        [(f'name="x{number}"', b"") for number in range(1_001)],
        [('name="display_name"', b"x" * 500_001)],
        [(f'name="display_name"; more="{"x" * 600_000}"', b"x")],
    ],
    ids=["parts", "text", "header"],
)
def test_a_form_over_a_limit_is_told_of_that_limit(live: Caller, parts: Any) -> None:
    reply = upload(live, (FILE, b"x"), *parts)
    assert reply.status == 400
    assert "1000 parts, and a text in it, or the header of a part, 500000 bytes" in reply.error


def test_a_refusal_names_a_text_as_it_was_written(live: Caller) -> None:
    reply = upload(live, (FILE, b""), ('name="project_name[]"', b"p"))
    assert (reply.status, '"project_name[]" must be' in reply.error) == (400, True)


@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data", "", "x/y"])
def test_only_a_multipart_body_is_an_upload(live: Caller, content_type: str) -> None:
    reply = live("POST", "/files/upload", data=b"{}", headers={"Content-Type": content_type})
    assert "multipart/form-data" in reply.error
    assert reply.status == 400


def test_an_upload_has_its_own_limit_to_the_byte(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert MAX_UPLOAD == 83_886_080
    most = MAX_UPLOAD // 80  # smaller, so copies take less time
    for module in (files, views):
        monkeypatch.setattr(module, "MAX_UPLOAD", most)
    fake = FakeScale(limits=Limits(max_body=1000))
    live = Caller(fake)
    assert upload(live, (FILE, bytes(most))).json["size"] == most
    reply = upload(live, (FILE, bytes(most + 1)))
    assert (reply.status, reply.error) == (
        400,
        f'Parameter is invalid, reason: "file" must not be larger than {most} bytes',
    )
    reply = upload(live, (FILE, bytes(most + 2**20)))
    assert (reply.status, "too large" in reply.error) == (400, True)
    assert len(fake.files) == 1


def test_an_upload_is_streamed_even_in_chunks() -> None:
    head, tail = multipart((FILE, b"|")).split(b"|")
    megabyte = bytes(2**20)

    def body() -> Any:
        yield head
        for _ in range(20):
            yield megabyte
        yield tail

    with FakeScale().serve() as fake:
        tracemalloc.start()
        try:
            reply = requests.post(
                f"{fake.url}/files/upload",
                data=body(),
                auth=(fake.api_key, ""),
                headers={"Content-Type": "multipart/form-data; boundary=X"},
                timeout=30,
            )
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert (reply.status_code, reply.json()["size"]) == (200, 20 * 2**20)
    assert peak < 8 * 2**20


def test_a_fault_that_reads_bodies_leaves_an_upload_whole(fake: FakeScale, live: Caller) -> None:
    bodies: list[Any] = []
    fake.faults.add(predicate=lambda asked: bodies.append(asked.json), status=500)
    assert upload(live, (FILE, b"xyz")).json["size"] == 3
    assert bodies == [None]


def test_the_client_sees_the_refusal_of_too_large_an_upload() -> None:
    with FakeScale().serve() as fake:
        reply = requests.post(
            f"{fake.url}/files/upload",
            files={"file": bytes(MAX_UPLOAD + 2**21)},
            auth=(fake.api_key, ""),
            timeout=30,
        )
    assert reply.status_code == 400


def test_an_import_is_not_fetched(live: Caller) -> None:
    body = {"file_url": "https://nowhere.invalid/a.png", "metadata": {"k": "v"}, "other": 1}
    file = live("POST", "/files/import", body).json
    assert (file["mime_type"], file["metadata"]) == ("image/png", {"k": "v"})
    assert "size" not in file


@pytest.mark.parametrize(
    "body",
    [{}, {"file_url": 1}, {"file_url": "a.png"}, {"file_url": "https://e.com", "metadata": [1]}],
)
def test_a_bad_import_is_refused(fake: FakeScale, live: Caller, body: Any) -> None:
    assert live("POST", "/files/import", body).status == 400
    assert len(fake.files) == 0


def test_a_reference_id_is_unique(fake: FakeScale, live: Caller) -> None:
    fake.files.upload(b"x", reference_id="r")
    body = {"file_url": "https://e.com/a", "reference_id": "r"}
    assert live("POST", "/files/import", body).status == 409
    assert upload(live, (FILE, b"x"), ('name="reference_id"', b"r")).status == 409
    for _ in range(2):  # an empty reference_id counts as absent
        fake.files.upload(b"x", reference_id="")
    assert len(fake.files) == 3


def test_the_files_of_a_project_are_listed_in_pages(fake: FakeScale, live: Caller) -> None:
    made = [fake.files.upload(b"x", project_name="p", metadata={"n": n % 2}) for n in range(5)]
    fake.files.upload(b"x", project_name="other")
    fake.files.upload(b"x")
    assert live("GET", "/files").error == 'Parameter is invalid, reason: "project" is required'
    first = live.get("/files?project=p&limit=3&limited_response=true")
    assert first["docs"] == [file.to_json() for file in made[:1:-1]]
    assert (first["total"], first["has_more"]) == (5, True)
    rest = live.get(f"/files?project=p&limit=3&next_token={first['next_token']}")
    assert [file["id"] for file in rest["docs"]] == [file.id for file in made[1::-1]]
    assert (rest["has_more"], "next_token" in rest) == (False, False)
    odd = live.get('/files?project=p&metadata={"n":1}')["docs"]
    assert [file["id"] for file in odd] == [made[3].id, made[1].id]
    assert live.get("/files?project=nothing")["docs"] == []
    for metadata in ("[1]", "{", "x"):
        assert live("GET", f"/files?project=p&metadata={metadata}").status == 400
    assert fake.files.list(project="p", metadata='{"n":1}') == [made[3], made[1]]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("metadata[n]=1", [1]),
        ("metadata%5Bn%5D=1", [1]),
        ("metadata[a][b]=c", [1]),
        ("metadata[l][]=x&metadata[l][]=y", [1]),
        ("metadata[ok]=true&metadata[n]=1", [1]),
        ("metadata[t]=1", [1, 0]),
        ("metadata[n]=2", []),
        ("metadata[none]=null", []),
    ],
)
def test_metadata_may_be_asked_for_in_brackets(
    fake: FakeScale, live: Caller, query: str, found: list[int]
) -> None:
    nested = {"n": 1, "a": {"b": "c"}, "l": ["x", "y"], "ok": True, "t": "1"}
    made = [fake.files.upload(b"x", project_name="p", metadata=it) for it in ({"t": 1}, nested)]
    docs = live.get(f"/files?project=p&{query}")["docs"]
    assert [file["id"] for file in docs] == [made[n].id for n in found]


def test_a_known_or_unknown_file_can_be_attached(fake: FakeScale, live: Caller) -> None:
    for url in (fake.files.upload(b"x").attachment_url, "scaledata://" + "0" * 24 + "/unknown"):
        assert live.create("imageannotation", attachment=url)["params"]["attachment"] == url


def test_an_unknown_file_is_not_found(fake: FakeScale) -> None:
    with pytest.raises(ApiError):
        fake.files.get("x")


def test_modes_share_no_files(fake: FakeScale) -> None:
    fake.files.upload(b"x", reference_id="r")
    fake.test.files.upload(b"x", reference_id="r")
    assert (len(fake.files), len(fake.test.files)) == (1, 1)
