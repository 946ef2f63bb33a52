"""The bodies of requests, as JSON and as forms."""

import pytest

from fakescale import FakeScale
from tests.support import Caller


@pytest.mark.parametrize("type", [None, "", "text/plain", "application/vnd.api+json", "x"])
def test_json_is_read_with_any_content_type(live: Caller, type: str | None) -> None:
    headers = {} if type is None else {"Content-Type": type}
    reply = live("POST", "/task/chat", data=b'\xef\xbb\xbf {"a": 1}', headers=headers)
    assert (reply.status, reply.json["params"]) == (200, {"a": 1})


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b'{"a": ', '"body" must be valid JSON: unexpected end of data'),
        ("\ufeff{}".encode(), None),
        (b"a=b", '"body" must be valid JSON'),
        (b"\xff\xfe", '"body" must be UTF-8 (invalid start byte at byte 0)'),
        ('{"a": "é"}'.encode("latin-1"), '"body" must be UTF-8'),
        ("{}".encode("utf-16"), '"body" must be UTF-8'),
        (b'{"a": NaN}', '"body" must be valid JSON: unexpected character'),
        (b'{"a": -Infinity}', '"body" must be valid JSON'),
        (b'{"a": 1e999}', "number is infinity"),
        (b'{"a": ' + b"1" * 5000 + b"}", "number is infinity"),
        (b'{"a": "\\ud800"}', "surrogate"),
        (b"[" * 100_000, '"body" must be valid JSON: depth limit exceeded'),
        (b'{"a":' + b"[" * 150 + b"]" * 150 + b"}", "deeper"),
        (b"[]", '"value" must be of type object (got [])'),
        (b'"x"', '"value" must be of type object (got "x")'),
        (b"null", None),
        (b"", None),
        (b" \n", None),
    ],
)
def test_a_body_that_is_no_json_object_is_refused(
    live: Caller, data: bytes, says: str | None
) -> None:
    reply = live("POST", "/task/chat", data=data, headers={"Content-Type": "application/json"})
    if says is None:  # an absent body counts as {}
        assert reply.status == 200
    else:
        assert reply.status == 400
        assert says in reply.error
        assert live.get("/tasks")["total"] == 0


def test_a_body_on_a_get_is_ignored(live: Caller) -> None:
    assert live("GET", "/tasks", data=b"{nonsense").status == 200


def test_forms_are_bodies_everywhere(fake: FakeScale, live: Caller) -> None:
    path = f"/task/{live.create()['task_id']}"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    unique_id = b"unique_id=7&clear_unique_id_on_error=true"
    reply = live("POST", f"{path}/unique_id", data=unique_id, headers=headers)
    assert reply.json["unique_id"] == "7"
    reply = live("POST", f"{path}/setMetadata", data=b"a[b]=1", headers=headers)
    assert reply.json["metadata"] == {"a": {"b": "1"}}
    fake.tasks.complete(reply.json["task_id"])
    reply = live("POST", f"{path}/audit", data=b"accepted=false&comments=no", headers=headers)
    assert reply.json["customer_review_status"] == "rejected"


FORM = {"Content-Type": "application/x-www-form-urlencoded"}
CATEGORIES = "/task/categorization", "instruction=?&attachment_type=text&attachment=x"
IMAGE = "/task/imageannotation", "attachment=http://e.com/a.png"


@pytest.mark.parametrize(
    ("path", "form", "more", "name"),
    [
        (*IMAGE, "geometries[box][objects_to_annotate]=car&geometries[box][min_width]=ten", ""),
        (*CATEGORIES, "categories[]=a&priority[]=ten", "priority[]"),
        (*CATEGORIES, "categories%5Ba%5D=b", "categories[a]"),
        (*CATEGORIES, "categories[a]=b&categories[c]=d", "categories"),
        (*CATEGORIES, "categories[]=a&tags[0][a]=b", "tags[0][a]"),
        (*CATEGORIES, "categories[]=a&tags[][a]=b", "tags[][a]"),
        (*CATEGORIES, "categories[]=a&tags=", "tags"),
        (*CATEGORIES, "categories[]=a&tags=b&tags=", "tags"),
        (*CATEGORIES, "categories[]=a&tags[b]=c", "tags[b]"),
        ("/projects", "name=p", "type[]=chat", "type[]"),
        ("/projects", "type=chat", "name[a]=p", "name[a]"),
        ("/batches", "project=p", "name[]=b", "name[]"),
        ("/batches", "project=p&name=b", "metadata[]=x", "metadata[]"),
        ("/teams/invite", "team_role=member", "emails[]=a@b.c&emails[]=d", "emails[]"),
        ("/teams/invite", "team_role=member", "emails[0]=a@b.c&emails[1]=d", "emails[1]"),
        ("/teams/invite", "team_role=member", "emails=d", "emails"),
        ("/files/import", "project_name=p", "file_url[]=http://e.com/a", "file_url[]"),
        ("/studio/assignments/add", "emails=a@b.c", "projects[a]=p", "projects[a]"),
        ("/studio/batches/set_priorities", "x=", "batches[0][name][a]=p", "batches[0][name][a]"),
        ("/v2/batch", "project=p", "name[x]=b", "name[x]"),
        ("/v2/task/metadata", "metadata[a]=b", "task_id[]=y", "task_id[]"),
        ("/task/chat", "x=", "a" + "[b]" * 33, ""),
    ],
)
def test_a_refusal_names_a_field_as_it_was_written(
    live: Caller, path: str, form: str, more: str, name: str
) -> None:
    live("POST", "/projects", {"type": "chat", "name": "p"})
    reply = live("POST", path, data=f"{form}&{more}".encode(), headers=FORM)
    assert reply.status == 400
    assert f'"{name or more.rpartition("&")[2].partition("=")[0]}"' in reply.error, reply.error


def test_a_missing_member_is_named_as_a_form_names_it(live: Caller) -> None:
    path = "/studio/batches/set_priorities"
    reply = live("POST", path, data=b"batches[0][x]=1&batches[1][x]=2", headers=FORM)
    assert '"batches[0][name]" is required' in reply.error


def test_a_text_may_stand_for_a_list_of_one_in_every_form(live: Caller) -> None:
    live("POST", "/projects", {"type": "chat", "name": "p"})
    invited = live("POST", "/teams/invite", data=b"emails=a@b.c&team_role=labeler", headers=FORM)
    assert invited.json[-1]["email"] == "a@b.c"
    assignment = b"emails=admin@example.com&projects=p"
    made = live("POST", "/studio/assignments/add", data=assignment, headers=FORM)
    assert made.json == {"admin@example.com": ["p"]}


def test_a_form_that_is_no_text_is_refused(live: Caller) -> None:
    reply = live("POST", "/task/chat", data=b"a=\xff", headers=FORM)
    assert (reply.status, '"body" must be UTF-8' in reply.error) == (400, True)
