"""Facts about requests and single tasks, one test each.

A test checks an error's text only if the text is known.
The file is over 300 lines because each fact is a test of its own.
"""

import datetime as dt
import gzip
import json
import re

import pytest

from fakescale.contract.asking import (
    BODY,
    TYPE,
    UNKNOWN,
    Things,
    get,
    make,
    make_batch,
    make_project,
    ok,
    post,
    quoted,
    task,
)
from fakescale.contract.assumptions import (
    CLIENT,
    DUMP,
    ERRORS,
    EXPRESS,
    JOI,
    NODE,
    OLD,
    PAGE,
    RUBY,
    TESTS,
    Row,
    creations,
    documented,
    guessed,
    observed,
    rows,
)
from fakescale.contract.target import ABSENT, Target
from fakescale.values.clock import read_moment

SINGLE = [
    *rows(
        "documented",
        ("an existing task is returned", PAGE, "GET /task/{task}", 200),
        (
            "a unique_id can be set on a task that has none",
            PAGE,
            "POST /task/{task}/unique_id",
            200,
            {"unique_id": "{new}"},
        ),
        ("a tag must not be empty", PAGE, "PUT /task/{task}/tags", 400, [""]),
        ("a tag must not be null", PAGE, "POST /task/{task}/tags", 400, [None]),
        (
            "removing a tag that the task lacks is fine",
            CLIENT,
            "DELETE /task/{task}/tags",
            200,
            ["{new}"],
        ),
        (
            "clear_unique_id_on_error is allowed wherever a unique_id is",
            PAGE,
            "POST /task/{task}/unique_id",
            200,
            {"unique_id": "{new}", "clear_unique_id_on_error": True},
        ),
    ),
    *rows(
        "observed",
        ("a malformed id is not found", TESTS, "GET /task/fake_id_qwertyuiop", 404),
        (
            "a missing required parameter is refused",
            TESTS,
            "POST /task/categorization",
            400,
            {"instruction": "i", "attachment_type": "text", "attachment": "a"},
        ),
        (
            "the comments of an audit may be null",
            CLIENT,
            "POST /task/{task}/audit",
            200,
            {"accepted": True, "comments": None},
        ),
        (
            "categorize is another name for categorization",
            OLD,
            "POST /task/categorize",
            200,
            dict(BODY),
        ),
    ),
    *creations(
        "observed",
        ("a creation may have unknown parameters", TESTS, 200, {"force": True}),
        ("a task needs neither project nor callback_url", TESTS, 200, {}),
        ("a callback_url may be null", "clients that send nulls", 200, {"callback_url": None}),
    ),
    *rows(
        "guessed",
        ("an unknown route is not found", EXPRESS, "GET /{new}", 404),
        ("a wrong method gets 404", EXPRESS, "PATCH /task/{task}", 404),
        ("paths are case-sensitive", "nothing hints at folding", "GET /Task/{task}", 404),
        ("a double slash is not found", EXPRESS, "GET //tasks", 404),
        ("one slash at the end of a path is fine", EXPRESS, "GET /task/{task}/", 200),
        (
            "an unknown type of task is not found",
            "it is a segment of the path",
            "POST /task/{new}",
            404,
            dict(BODY),
        ),
        (
            "an array creates no task",
            "400 is documented for unacceptable requests",
            "POST /task/categorization",
            400,
            [1],
        ),
        (
            "a string creates no task",
            "400 is documented for unacceptable requests",
            "POST /task/categorization",
            400,
            "x",
        ),
        (
            "a task is not found by its unique_id",
            "only the list is documented to find by unique_id",
            "GET /task/{unique}",
            404,
        ),
        (
            "a type other than the project's is refused",
            "a project has one type",
            "POST /task/comparison",
            400,
            {
                "instruction": "i",
                "attachment_type": "text",
                "attachments": ["a", "b"],
                "choices": ["y", "n"],
                "project": "{project}",
            },
        ),
        (
            "setting a unique_id requires unique_id",
            "it is the only parameter",
            "POST /task/{task}/unique_id",
            400,
            {},
        ),
        (
            "removing the unique_id of a task without one is fine",
            "canceling twice is fine too",
            "DELETE /task/{task}/unique_id",
            200,
        ),
        ("a sixth tag is refused", NODE, "PUT /task/{tagged}/tags", 400, ["f"]),
        ("a tag must be a string", "its published type", "PUT /task/{task}/tags", 400, [5]),
        (
            "a tag of only blanks counts as empty",
            "the tag would be useless",
            "PUT /task/{task}/tags",
            400,
            [" "],
        ),
        (
            "tags must be an array, not an object",
            "the published body",
            "POST /task/{task}/tags",
            400,
            {"tags": ["a"]},
        ),
        (
            "tags must be an array, not a string",
            "the published body",
            "PUT /task/{task}/tags",
            400,
            "a",
        ),
        (
            "a missing body removes no tags",
            "the reference's sample sends no body",
            "DELETE /task/{task}/tags",
            200,
        ),
        (
            "an audit requires accepted",
            "accepted is the point of an audit",
            "POST /task/{task}/audit",
            400,
            {"comments": "x"},
        ),
        (
            "accepted must be a boolean",
            "its type in the official client",
            "POST /task/{task}/audit",
            400,
            {"accepted": "perhaps"},
        ),
        (
            "a rejection may lack comments",
            "the official client allows null",
            "POST /task/{task}/audit",
            200,
            {"accepted": False},
        ),
        (
            "tasks of test mode can be audited",
            "otherwise no test could audit",
            "POST /task/{task}/audit",
            200,
            {"accepted": True},
        ),
        (
            "canceling an unknown task is a 404",
            "retrieving an unknown task is a 404",
            "POST /task/{nobody}/cancel",
            404,
        ),
    ),
    *creations(
        "guessed",
        (
            "a task of an unknown project is refused with 400",
            "a parameter is wrong, not the path",
            400,
            {"project": "{new}"},
        ),
        (
            "a task of an unknown batch is refused with 400",
            "a parameter is wrong, not the path",
            400,
            {"batch": "{new}"},
        ),
        ("metadata must be an object", "it is called key-value data", 400, {"metadata": [1]}),
        ("metadata of more than 10 KB is refused", NODE, 400, {"metadata": {"a": "x" * 10_240}}),
        ("metadata of just under 10 KB is fine", NODE, 200, {"metadata": {"a": "x" * 9_900}}),
        (
            "null metadata counts as absent",
            "clients send null for missing values",
            200,
            {"metadata": None},
        ),
        (
            "an empty unique_id is refused",
            "the official client treats it as none",
            400,
            {"unique_id": ""},
        ),
        ("a unique_id must be a string", "its published type", 400, {"unique_id": 5}),
        (
            "a null unique_id counts as absent",
            "clients send null for missing values",
            200,
            {"unique_id": None},
        ),
        ("more than five tags are refused at creation", NODE, 400, {"tags": [*"abcdef"]}),
        ("five tags are fine", NODE, 200, {"tags": [*"abcde"]}),
        ("a priority that is not a number is refused", JOI, 400, {"priority": "soon"}),
        (
            "a callback_url may be an e-mail address without a scheme",
            "callbacks page of the reference",
            200,
            {"callback_url": "nobody@example.com"},
        ),
        (
            "a callback_url that is neither URL nor e-mail is refused",
            "callbacks page of the reference: a full URL, or e-mail",
            400,
            {"callback_url": "nonsense"},
        ),
    ),
]


@pytest.mark.parametrize("row", SINGLE, ids=lambda row: row.assumption.law)
def test_a_single_request(row: Row, api: Target) -> None:
    assert Things(api).ask(row.request, row.body).status == row.status


# Keys and errors


@observed(f"{OLD}; the status also by the {TESTS}")
def test_a_wrong_key_is_401(api: Target) -> None:
    reply = api.call("GET", "/batches?limit=1", headers={"Authorization": "Bearer dummy_api_key"})
    assert reply.status == 401
    assert reply.error == "Your API key does not correspond to a registered user."


@guessed("clients treat them all alike")
@pytest.mark.parametrize("field", [None, "", "Basic", "Basic OgAA", "Basic !!!", "Digest x=y"])
def test_a_missing_or_garbled_key_is_401_too(field: str | None, api: Target) -> None:
    reply = api.call("GET", "/tasks?limit=1", headers={"Authorization": field})
    assert (reply.status, reply.json["status_code"]) == (401, 401)


@observed(OLD)
def test_the_key_is_checked_before_the_path_and_the_body(api: Target) -> None:
    headers = {"Authorization": "Bearer dummy_api_key"}
    for path in (f"/{api.name()}", f"/task/{api.name()}", f"/task/{TYPE}"):
        assert api.call("POST", path, {}, headers=headers).status == 401


@guessed("the documentation only says to leave it empty")
def test_the_password_is_ignored(api: Target) -> None:
    import base64

    pair = base64.b64encode(f"{api.key}:anything".encode()).decode()
    reply = api.call("GET", "/tasks?limit=1", headers={"Authorization": f"Basic {pair}"})
    assert reply.status == 200


@documented("GenAI documentation of v1 tasks")
def test_a_bearer_token_is_accepted(api: Target) -> None:
    headers = {"Authorization": f"Bearer {api.key}"}
    assert api.call("GET", "/tasks?limit=1", headers=headers).status == 200


@documented(f"{PAGE}; {ERRORS}")
def test_an_error_has_its_status_and_a_text(api: Target) -> None:
    reply = api.call("GET", f"/task/{api.task_id()}")
    assert reply.json.keys() == {"status_code", "error"}
    assert reply.error


@documented("introduction of the reference")
def test_answers_are_json_in_utf_8(api: Target) -> None:
    for path in ("/tasks?limit=1", f"/task/{api.task_id()}"):
        kind = api.call("GET", path).headers["Content-Type"]
        assert kind == "application/json; charset=utf-8"


# Bodies


@guessed("400 is documented for unacceptable requests")
def test_malformed_json_is_400(api: Target) -> None:
    headers: dict[str, str | None] = {"Content-Type": "application/json"}
    reply = api.call("POST", f"/task/{TYPE}", data=b'{"instruction"', headers=headers)
    assert (reply.status, reply.json["status_code"]) == (400, 400)


@guessed("nothing says that the content type is required")
def test_json_without_a_content_type_is_read(api: Target) -> None:
    assert api.call("POST", f"/task/{TYPE}", data=json.dumps(BODY).encode()).status == 200


@guessed("no list of statuses has 415")
def test_xml_is_400(api: Target) -> None:
    headers: dict[str, str | None] = {"Content-Type": "application/xml"}
    assert api.call("POST", f"/task/{TYPE}", data=b"<a/>", headers=headers).status == 400


@documented(f"{PAGE}: its example of the Idempotency-Key")
def test_a_body_may_be_form_encoded(api: Target) -> None:
    headers: dict[str, str | None] = {"Content-Type": "application/x-www-form-urlencoded"}
    data = b"instruction=a+b&attachment_type=text&attachment=car&categories=x&categories=y"
    made = ok(api.call("POST", f"/task/{TYPE}", data=data, headers=headers))
    assert (made["instruction"], made["params"]["categories"]) == ("a b", ["x", "y"])


@observed(OLD)
def test_forms_nest_with_brackets(api: Target) -> None:
    headers: dict[str, str | None] = {"Content-Type": "application/x-www-form-urlencoded"}
    data = (
        b"instruction=i&attachment_type=text&attachment=a&categories[]=x&categories[]=y"
        b"&metadata[title]=t"
    )
    made = ok(api.call("POST", f"/task/{TYPE}", data=data, headers=headers))
    assert made["params"]["categories"] == ["x", "y"]
    assert made["metadata"] == {"title": "t"}


@guessed(EXPRESS)
def test_a_form_with_a_large_number_in_brackets_makes_an_object(api: Target) -> None:
    headers: dict[str, str | None] = {"Content-Type": "application/x-www-form-urlencoded"}
    data = b"instruction=i&attachment_type=text&attachment=a&categories=x&metadata[4711]=y"
    made = ok(api.call("POST", f"/task/{TYPE}", data=data, headers=headers))
    assert made["metadata"] == {"4711": "y"}


@guessed(EXPRESS)
def test_an_escape_that_is_not_utf_8_leaves_its_text(api: Target) -> None:
    headers: dict[str, str | None] = {"Content-Type": "application/x-www-form-urlencoded"}
    data = b"instruction=i&attachment_type=text&attachment=a&categories=x&metadata[a]=caf%E9+%41"
    made = ok(api.call("POST", f"/task/{TYPE}", data=data, headers=headers))
    assert made["metadata"] == {"a": "caf%E9 %41"}


@guessed(EXPRESS)
def test_a_compressed_body_is_inflated(api: Target) -> None:
    headers: dict[str, str | None] = {
        "Content-Type": "application/json",
        "Content-Encoding": "gzip",
    }
    data = gzip.compress(json.dumps(BODY).encode())
    made = ok(api.call("POST", f"/task/{TYPE}", data=data, headers=headers))
    assert made["instruction"] == BODY["instruction"]


@guessed(EXPRESS)
def test_an_unknown_content_encoding_is_refused_with_415(api: Target) -> None:
    headers: dict[str, str | None] = {
        "Content-Type": "application/json",
        "Content-Encoding": "compress",
    }
    assert api.call("POST", f"/task/{TYPE}", data=b"{}", headers=headers).status == 415


@guessed(EXPRESS)
def test_a_head_is_a_get_without_its_body(api: Target) -> None:
    for path in ("/tasks?limit=1", f"/task/{make(api)['task_id']}"):
        assert api.call("HEAD", path).status == 200
    assert api.call("HEAD", f"/task/{api.task_id()}").status == 404


@guessed(EXPRESS)
def test_options_tell_the_methods_of_a_path(api: Target) -> None:
    reply = api.call("OPTIONS", "/tasks")
    assert reply.status == 200
    assert reply.headers["Allow"] == "GET,HEAD"


@observed(TESTS)
def test_numbers_may_be_sent_as_strings_and_come_back_as_numbers(api: Target) -> None:
    geometries = {"box": {"objects_to_annotate": ["cat"], "min_height": "10"}}
    body = {"instruction": "i", "attachment": "https://example.com/a.jpg", "geometries": geometries}
    made = ok(api.call("POST", "/task/imageannotation", body))
    assert made["params"]["geometries"]["box"]["min_height"] == 10


@observed(OLD)
def test_the_body_of_a_get_is_ignored(api: Target) -> None:
    assert api.call("GET", "/tasks?limit=1", {"limit": 0}).status == 200


@guessed("the body of a task is stored in its params")
def test_unknown_parameters_are_kept_in_the_params(api: Target) -> None:
    assert make(api, colour="red")["params"]["colour"] == "red"


# Members of a task


@documented(PAGE)
def test_an_id_is_24_hex_digits(api: Target) -> None:
    assert re.fullmatch("[0-9a-f]{24}", make(api)["task_id"])


@guessed("two published pairs of id and time match")
def test_an_id_begins_with_the_second_of_its_creation(api: Target) -> None:
    made = make(api)
    assert int(made["task_id"][:8], 16) == int(read_moment(made["created_at"]).timestamp())


@documented(PAGE)
def test_times_are_printed_in_utc_with_milliseconds(api: Target) -> None:
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", make(api)["created_at"])


@observed(TESTS)
def test_a_new_task_has_empty_metadata_and_no_tags(api: Target) -> None:
    made = make(api)
    assert made["metadata"] == {}
    assert "tags" not in made


@guessed("no published task has a null")
def test_missing_members_of_a_task_are_left_out_not_null(api: Target) -> None:
    made = make(api)
    for shown in (made, task(api, made["task_id"])):
        assert None not in shown.values()
        assert not {"unique_id", "project", "batch", "audits", "callback_url"} & shown.keys()


@documented(PAGE)
def test_the_instruction_is_beside_the_params_not_in_them(api: Target) -> None:
    made = make(api)
    assert (made["instruction"], made["type"]) == (BODY["instruction"], TYPE)
    assert "instruction" not in made["params"]
    assert made["params"]["categories"] == BODY["categories"]


@observed(f"{OLD}, {RUBY}, {DUMP}")
def test_a_task_of_test_mode_says_so(test_mode: Target) -> None:
    assert make(test_mode)["is_test"] is True


@observed(f"all 11 creations in {RUBY}; {OLD} had `pending`")
def test_a_task_of_test_mode_is_completed_when_it_is_created(test_mode: Target) -> None:
    made = make(test_mode)
    assert made["status"] == "completed"
    assert made["response"]
    assert made["completed_at"]
    assert task(test_mode, made["task_id"]) == made


@guessed("8 ms in recorded traffic; equal stamps on the tasks page")
def test_a_task_of_test_mode_takes_milliseconds(test_mode: Target) -> None:
    seen = task(test_mode, make(test_mode)["task_id"])
    took = read_moment(seen["completed_at"]) - read_moment(seen["created_at"])
    assert dt.timedelta() <= took < dt.timedelta(seconds=1)
    assert seen["updated_at"] == seen["completed_at"]


@observed(RUBY)
def test_a_made_up_response_is_one_of_the_choices(test_mode: Target) -> None:
    seen = task(test_mode, make(test_mode)["task_id"])
    assert seen["response"]["category"] in BODY["categories"]
    assert seen["response"]["category_id"] is None  # without category_ids


@documented("README of the official Python client")
def test_a_live_task_is_pending(live: Target) -> None:
    made = make(live)
    assert made["status"] == task(live, made["task_id"])["status"] == "pending"
    assert not {"response", "completed_at"} & made.keys()


@guessed("true would be wrong")
def test_a_live_task_has_is_test_false(live: Target) -> None:
    assert make(live)["is_test"] is False


@guessed("newer published tasks have it")
def test_updated_at_starts_at_created_at_and_moves_with_each_change(steered: Target) -> None:
    made = make(steered)
    assert made["updated_at"] == made["created_at"]
    steered.fake.advance(seconds=1)
    changed = ok(steered.call("PUT", f"/task/{made['task_id']}/tags", ["a"]))
    assert changed["updated_at"] > made["created_at"] == changed["created_at"]


@guessed("no published task has it")
def test_clear_unique_id_on_error_is_not_printed(api: Target) -> None:
    made = make(api, unique_id=api.name(), clear_unique_id_on_error=True)
    assert "clear_unique_id_on_error" not in made
    assert "clear_unique_id_on_error" not in made["params"]


@documented(PAGE)
def test_an_unknown_task_is_a_404(api: Target) -> None:
    for method, path, body in (
        ("GET", "", ABSENT),
        ("POST", "/setMetadata", {}),
        ("POST", "/unique_id", {"unique_id": api.name()}),
        ("DELETE", "/unique_id", ABSENT),
        ("PUT", "/tags", ["a"]),
    ):
        assert api.call(method, f"/task/{api.task_id()}{path}", body).status == 404


@observed(f"{RUBY}; in 2016 the text was different")
def test_the_text_for_an_unknown_task(api: Target) -> None:
    assert api.call("GET", f"/task/{api.task_id()}").error == UNKNOWN


@guessed("the status is the same")
def test_a_malformed_id_has_the_same_text(api: Target) -> None:
    assert api.call("GET", "/task/fake_id_qwertyuiop").error == UNKNOWN


@documented("README of the official Python client")
def test_the_text_of_a_missing_parameter(api: Target) -> None:
    body = {"attachment": "a", "attachment_type": "text"}
    reply = api.call("POST", "/task/textcollection", {**body, "attachments": None, "fields": []})
    assert (reply.status, reply.error) in (
        (400, 'Parameter is invalid, reason: "attachments" is required'),
        (400, "Please include an attachment or attachments parameter."),
    )


@documented(ERRORS)
def test_the_text_of_a_missing_attachment(api: Target) -> None:
    reply = post(api, attachment=ABSENT)
    assert reply.status == 400
    assert reply.error == "Please include an attachment or attachments parameter."


@documented(ERRORS)
def test_a_type_that_is_not_enabled_is_402(steered: Target) -> None:
    steered.fake.account(steered.account).disable_type(TYPE)
    reply = post(steered)
    assert (reply.status, reply.json["status_code"]) == (402, 402)


# Projects and batches of a task


@guessed("test and live mode share nothing")
def test_a_live_project_does_not_exist_in_test_mode(steered: Target) -> None:
    project = make_project(steered)
    assert post(steered.in_mode(test=True), project=project).status == 400


@guessed("a batch implies its project")
def test_a_batch_of_another_project_is_refused(api: Target) -> None:
    batch = make_batch(api)
    assert post(api, batch=batch, project=make_project(api)).status == 400


@documented("projects page of the reference")
def test_a_task_of_a_batch_is_in_its_project(api: Target) -> None:
    project = make_project(api)
    batch = make_batch(api, project)
    made = make(api, batch=batch)
    assert (made["project"], made["batch"]) == (project, batch)
    found = get(api, f"/tasks?batch={quoted(batch)}&project={quoted(project)}&limit=1")
    assert [doc["task_id"] for doc in found["docs"]] == [made["task_id"]]
