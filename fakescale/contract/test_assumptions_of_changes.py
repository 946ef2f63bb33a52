"""Facts about changes of tasks and about the Idempotency-Key, one test each.

The file is over 300 lines because each fact is a test of its own.
"""

import json

import pytest

from fakescale.contract.asking import (
    BODY,
    TYPE,
    get,
    make,
    make_project,
    ok,
    once,
    post,
    task,
)
from fakescale.contract.assumptions import (
    CLIENT,
    NODE,
    OLD,
    PAGE,
    TESTS,
    documented,
    guessed,
    observed,
)
from fakescale.contract.target import Target

# Cancel


@documented(PAGE)
def test_a_pending_task_can_be_canceled(live: Target) -> None:
    made = make(live)
    canceled = ok(live.call("POST", f"/task/{made['task_id']}/cancel"))
    assert canceled["status"] == "canceled"
    assert canceled["task_id"] == made["task_id"]


@documented(f"{PAGE}; the {CLIENT} says otherwise")
def test_canceling_again_is_fine(live: Target) -> None:
    path = f"/task/{make(live)['task_id']}/cancel"
    assert ok(live.call("POST", path)) == ok(live.call("POST", path))


@documented(PAGE)
def test_a_completed_task_cannot_be_canceled(test_mode: Target) -> None:
    path = f"/task/{make(test_mode)['task_id']}/cancel"
    assert test_mode.call("POST", path).status == 400


@observed(f"{OLD}, with another status")
def test_the_text_of_canceling_a_completed_task(test_mode: Target) -> None:
    reply = test_mode.call("POST", f"/task/{make(test_mode)['task_id']}/cancel")
    assert reply.error == "The task was already completed and cannot be canceled."


@observed("a remark by staff of the API")
def test_a_task_that_is_being_worked_on_cannot_be_canceled(steered: Target) -> None:
    made = make(steered)
    steered.world.tasks.start(made["task_id"])
    assert steered.call("POST", f"/task/{made['task_id']}/cancel").status == 400


@guessed("only pending tasks are documented as cancelable")
def test_a_task_in_error_cannot_be_canceled(steered: Target) -> None:
    made = make(steered)
    steered.world.tasks.fail(made["task_id"])
    assert steered.call("POST", f"/task/{made['task_id']}/cancel").status == 400


@documented(f"{PAGE}: its example has neither")
def test_a_canceled_task_has_neither_completed_at_nor_response(live: Target) -> None:
    canceled = ok(live.call("POST", f"/task/{make(live)['task_id']}/cancel"))
    assert not {"completed_at", "response"} & canceled.keys()


@documented(f"{PAGE}: a unique_id stays with its task")
def test_a_canceled_task_keeps_its_unique_id(live: Target) -> None:
    name = live.name()
    path = f"/task/{make(live, unique_id=name)['task_id']}/cancel"
    assert ok(live.call("POST", path))["unique_id"] == name
    assert post(live, unique_id=name).status == 409


@documented(PAGE)
def test_clear_unique_id_frees_the_unique_id(live: Target) -> None:
    name = live.name()
    path = f"/task/{make(live, unique_id=name)['task_id']}/cancel?clear_unique_id=true"
    assert "unique_id" not in ok(live.call("POST", path))
    assert post(live, unique_id=name).status == 200


@guessed("both are idempotent")
def test_clear_unique_id_works_on_a_canceled_task(live: Target) -> None:
    name = live.name()
    path = f"/task/{make(live, unique_id=name)['task_id']}/cancel"
    ok(live.call("POST", path))
    assert "unique_id" not in ok(live.call("POST", f"{path}?clear_unique_id=true"))
    assert post(live, unique_id=name).status == 200


@guessed("the official client sends Python's True and False")
@pytest.mark.parametrize(("text", "clears"), [("True", True), ("1", True), ("0", False)])
def test_booleans_are_read_in_any_case_and_as_digits(text: str, clears: bool, live: Target) -> None:
    path = f"/task/{make(live, unique_id=live.name())['task_id']}/cancel"
    canceled = ok(live.call("POST", f"{path}?clear_unique_id={text}"))
    assert ("unique_id" not in canceled) == clears


# unique_id


@documented(PAGE)
def test_a_unique_id_in_use_is_a_409_that_names_the_owner(api: Target) -> None:
    name = api.name()
    made = make(api, unique_id=name)
    reply = post(api, unique_id=name)
    used = f'The unique_id ("{name}") is already used for a different task ({made["task_id"]}).'
    assert (reply.status, reply.error) == (409, used)


@guessed("it is the same refusal")
def test_setting_a_unique_id_in_use_has_the_same_text(api: Target) -> None:
    name = api.name()
    owner = make(api, unique_id=name)["task_id"]
    reply = api.call("POST", f"/task/{make(api)['task_id']}/unique_id", {"unique_id": name})
    assert reply.status == 409
    assert reply.error == (
        f'The unique_id ("{name}") is already used for a different task ({owner}).'
    )


@documented(PAGE)
def test_a_unique_id_is_unique_across_all_projects_and_types(api: Target) -> None:
    name = api.name()
    make(api, unique_id=name, project=make_project(api))
    body = {"instruction": "i", "attachment_type": "text", "attachments": ["a", "b"]}
    reply = api.call("POST", "/task/comparison", {**body, "choices": ["y"], "unique_id": name})
    assert reply.status == 409


@guessed("test and live mode are said to share nothing")
def test_test_and_live_mode_have_separate_unique_ids(steered: Target) -> None:
    make(steered, unique_id="u")
    assert post(steered.in_mode(test=True), unique_id="u").status == 200


@guessed("accounts share nothing")
def test_accounts_have_separate_unique_ids(live: Target, other: Target) -> None:
    make(live, unique_id="u")
    assert post(other, unique_id="u").status == 200


@documented(f"{PAGE}; {TESTS}")
def test_a_unique_id_can_be_set_and_removed(api: Target) -> None:
    path, name = f"/task/{make(api)['task_id']}", api.name()
    assert ok(api.call("POST", f"{path}/unique_id", {"unique_id": name}))["unique_id"] == name
    assert "unique_id" not in ok(api.call("DELETE", f"{path}/unique_id"))
    assert "unique_id" not in get(api, path)
    assert post(api, unique_id=name).status == 200


@documented(f"{PAGE}: its example is completed")
def test_a_completed_task_can_be_given_a_unique_id(test_mode: Target) -> None:
    made, name = make(test_mode), test_mode.name()
    assert task(test_mode, made["task_id"])["status"] == "completed"
    path = f"/task/{made['task_id']}/unique_id"
    assert ok(test_mode.call("POST", path, {"unique_id": name}))["unique_id"] == name


@guessed("the error's text speaks of a different task")
def test_a_task_can_be_given_its_own_unique_id_again(api: Target) -> None:
    name = api.name()
    path = f"/task/{make(api, unique_id=name)['task_id']}/unique_id"
    assert api.call("POST", path, {"unique_id": name}).status == 200


@guessed("a task has one unique_id")
def test_a_replaced_unique_id_is_free(api: Target) -> None:
    name = api.name()
    path = f"/task/{make(api, unique_id=name)['task_id']}/unique_id"
    ok(api.call("POST", path, {"unique_id": api.name()}))
    assert post(api, unique_id=name).status == 200


@documented(PAGE)
@pytest.mark.parametrize("clear", [True, False])
def test_clear_unique_id_on_error_frees_the_unique_id(clear: bool, steered: Target) -> None:
    made = make(steered, unique_id="u", clear_unique_id_on_error=clear)
    steered.world.tasks.fail(made["task_id"])
    assert ("unique_id" in task(steered, made["task_id"])) == (not clear)
    assert post(steered, unique_id="u").status == (200 if clear else 409)


# Metadata and tags


@observed(TESTS)
def test_metadata_is_replaced_not_merged(api: Target) -> None:
    path = f"/task/{make(api, metadata={'a': 1})['task_id']}"
    assert ok(api.call("POST", f"{path}/setMetadata", {"b": [2]}))["metadata"] == {"b": [2]}
    assert get(api, path)["metadata"] == {"b": [2]}


@guessed("the official client sends no body for {}")
def test_setting_metadata_without_a_body_clears_it(api: Target) -> None:
    path = f"/task/{make(api, metadata={'a': 1})['task_id']}/setMetadata"
    assert ok(api.call("POST", path))["metadata"] == {}


@documented(f"{PAGE}: the body is the metadata; the {NODE} wraps it")
def test_metadata_nested_in_metadata_is_stored_unchanged(api: Target) -> None:
    path = f"/task/{make(api)['task_id']}/setMetadata"
    wrapped = {"metadata": {"a": 1}}
    assert ok(api.call("POST", path, wrapped))["metadata"] == wrapped


@documented(f"{PAGE}: its example is canceled")
def test_metadata_of_a_canceled_task_can_be_set(live: Target) -> None:
    path = f"/task/{make(live)['task_id']}"
    ok(live.call("POST", f"{path}/cancel"))
    assert ok(live.call("POST", f"{path}/setMetadata", {"a": 1}))["metadata"] == {"a": 1}


@documented(f"{PAGE}: the code of its examples, not their headings; {CLIENT}")
def test_put_adds_post_sets_and_delete_removes_tags(api: Target) -> None:
    path = f"/task/{make(api, tags=['a'])['task_id']}/tags"
    assert ok(api.call("PUT", path, ["b"]))["tags"] == ["a", "b"]
    assert ok(api.call("POST", path, ["c", "d"]))["tags"] == ["c", "d"]
    assert ok(api.call("DELETE", path, ["c"]))["tags"] == ["d"]


@documented(PAGE)
def test_an_existing_tag_is_not_added_again(api: Target) -> None:
    path = f"/task/{make(api, tags=['a', 'b'])['task_id']}/tags"
    assert ok(api.call("PUT", path, ["a", "c"]))["tags"] == ["a", "b", "c"]


@observed(TESTS)
def test_tags_keep_the_order_in_which_they_were_sent(api: Target) -> None:
    path = f"/task/{make(api)['task_id']}"
    ok(api.call("POST", f"{path}/tags", ["z", "b", "a"]))
    assert get(api, path)["tags"] == ["z", "b", "a"]
    assert ok(api.call("DELETE", f"{path}/tags", ["b", "z"]))["tags"] == ["a"]


@guessed("existing tags are not added again")
def test_a_tag_sent_twice_is_kept_once_at_its_first_place(api: Target) -> None:
    path = f"/task/{make(api)['task_id']}/tags"
    assert ok(api.call("POST", path, ["b", "a", "b"]))["tags"] == ["b", "a"]


@guessed("nothing hints at folding")
def test_tags_are_case_sensitive_and_not_trimmed(api: Target) -> None:
    path = f"/task/{make(api)['task_id']}/tags"
    assert ok(api.call("POST", path, ["a", "A", " a"]))["tags"] == ["a", "A", " a"]


@guessed("a new task lacks the member too")
def test_a_task_without_tags_has_no_member_tags(api: Target) -> None:
    path = f"/task/{make(api, tags=['a'])['task_id']}/tags"
    assert "tags" not in ok(api.call("POST", path, []))


@guessed("the official client sends no body for []")
def test_without_a_body_setting_empties_the_tags_and_adding_and_removing_do_nothing(
    api: Target,
) -> None:
    path = f"/task/{make(api, tags=['a'])['task_id']}/tags"
    assert ok(api.call("PUT", path))["tags"] == ["a"]
    assert ok(api.call("DELETE", path))["tags"] == ["a"]
    assert "tags" not in ok(api.call("POST", path))


@guessed("a refusal changes nothing")
def test_one_bad_tag_refuses_the_whole_request(api: Target) -> None:
    path = f"/task/{make(api, tags=['a'])['task_id']}"
    assert api.call("PUT", f"{path}/tags", ["b", None]).status == 400
    assert get(api, path)["tags"] == ["a"]


# Audits


@guessed("the official client speaks of completed tasks")
def test_only_a_completed_task_can_be_audited(live: Target) -> None:
    path = f"/task/{make(live)['task_id']}/audit"
    assert live.call("POST", path, {"accepted": True}).status == 400


@documented(f"{PAGE}: its example of a completed task")
def test_an_audit_has_its_auditor_time_duration_result_and_source(test_mode: Target) -> None:
    made = make(test_mode)
    ok(test_mode.call("POST", f"/task/{made['task_id']}/audit", {"accepted": True}))
    [audit] = task(test_mode, made["task_id"])["audits"]
    assert audit.keys() >= {
        *("audited_by", "audited_at", "audit_time_secs", "audit_result", "audit_source")
    }
    assert (audit["audit_result"], audit["audit_source"]) == ("accepted", "customer")


@guessed("the official client ignores the answer")
def test_an_audit_is_answered_with_the_task(test_mode: Target) -> None:
    made = make(test_mode)
    reply = test_mode.call("POST", f"/task/{made['task_id']}/audit", {"accepted": True})
    assert ok(reply)["task_id"] == made["task_id"]


@guessed("the filter uses the word rejected")
def test_the_audit_and_the_review_of_a_rejection_say_rejected(test_mode: Target) -> None:
    path = f"/task/{make(test_mode)['task_id']}/audit"
    seen = ok(test_mode.call("POST", path, {"accepted": False, "comments": "blurred"}))
    assert seen["audits"][0]["audit_result"] == seen["customer_review_status"] == "rejected"
    assert "blurred" in seen["customer_review_comments"]


@documented(f"{PAGE}: its audits and its filter")
@pytest.mark.parametrize("result", ["fixed", "commented"])
def test_an_audit_may_also_be_fixed_or_commented(result: str, steered: Target) -> None:
    made = make(steered)
    steered.world.tasks.complete(made["task_id"])
    steered.world.tasks.audit(made["task_id"], result)
    assert task(steered, made["task_id"])["audits"][0]["audit_result"] == result
    found = get(steered, f"/tasks?customer_review_status={result}")
    assert [doc["task_id"] for doc in found["docs"]] == [made["task_id"]]


@guessed("an example lists several audits")
def test_the_latest_audit_is_first_and_decides_the_review(test_mode: Target) -> None:
    path = f"/task/{make(test_mode)['task_id']}/audit"
    ok(test_mode.call("POST", path, {"accepted": False}))
    seen = ok(test_mode.call("POST", path, {"accepted": True}))
    assert [audit["audit_result"] for audit in seen["audits"]] == ["accepted", "rejected"]
    assert seen["customer_review_status"] == "accepted"


# Idempotency-Key


@documented(PAGE)
def test_the_first_answer_is_repeated_byte_for_byte(api: Target) -> None:
    key = api.name()
    first, second = once(api, key), once(api, key)
    assert ok(first)["task_id"]
    assert second.bytes == first.bytes


@documented(PAGE)
def test_a_refusal_is_saved_too(api: Target) -> None:
    key, name = api.name(), api.name()
    assert once(api, key, project=name).status == 400
    ok(api.call("POST", "/projects", {"type": TYPE, "name": name}))
    assert once(api, key, project=name).status == 400


@documented(PAGE)
def test_the_same_key_with_other_parameters_is_409(api: Target) -> None:
    key = api.name()
    assert once(api, key).status == 200
    assert once(api, key, instruction="Another?").status == 409


@documented(PAGE)
def test_the_same_key_of_another_user_is_409(live: Target, other: Target) -> None:
    assert once(live, key := live.name()).status == 200
    assert once(other, key).status == 409


@documented(f"{PAGE}: after 24 hours")
def test_a_key_is_forgotten_after_24_hours_and_not_before(steered: Target) -> None:
    key = steered.name()
    first = once(steered, key)
    steered.fake.advance(hours=24, milliseconds=-1)
    assert once(steered, key).bytes == first.bytes  # a repetition does not extend its life
    steered.fake.advance(milliseconds=1)
    assert ok(once(steered, key))["task_id"] != first.json["task_id"]


@guessed("only the endpoints that create tasks are named")
def test_the_key_is_ignored_elsewhere(api: Target) -> None:
    headers: dict[str, str | None] = {"Idempotency-Key": api.name()}
    for name in (api.name(), api.name()):
        body = {"type": TYPE, "name": name}
        assert api.call("POST", "/projects", body, headers=headers).status == 200


@guessed("the parameters are compared, not the bytes")
def test_order_and_spacing_of_the_body_do_not_matter(api: Target) -> None:
    key = api.name()
    first = once(api, key)
    data = json.dumps(dict(reversed([*BODY.items()])), indent=3).encode()
    headers: dict[str, str | None] = {"Idempotency-Key": key, "Content-Type": "application/json"}
    assert api.call("POST", f"/task/{TYPE}", data=data, headers=headers).bytes == first.bytes


@guessed("test and live mode share nothing")
def test_test_and_live_mode_have_separate_idempotency_keys(steered: Target) -> None:
    ok(once(steered, "k"))
    assert once(steered.in_mode(test=True), "k", instruction="Another?").status == 200


@guessed("the saved result is returned")
def test_the_saved_answer_stays_when_the_task_changes(live: Target) -> None:
    key, name = live.name(), live.name()
    first = once(live, key, unique_id=name)
    ok(live.call("POST", f"/task/{first.json['task_id']}/cancel?clear_unique_id=true"))
    assert once(live, key, unique_id=name).bytes == first.bytes


@documented(f"{PAGE}: both may be used together")
def test_a_repetition_does_not_clash_with_its_own_unique_id(api: Target) -> None:
    key, name = api.name(), api.name()
    assert once(api, key, unique_id=name).bytes == once(api, key, unique_id=name).bytes


@guessed("errors are saved")
def test_a_clash_of_unique_ids_is_saved(api: Target) -> None:
    key, name = api.name(), api.name()
    owner = make(api, unique_id=name)["task_id"]
    assert once(api, key, unique_id=name).status == 409
    ok(api.call("DELETE", f"/task/{owner}/unique_id"))
    assert once(api, key, unique_id=name).status == 409


@guessed("errors are saved")
def test_a_402_is_saved(steered: Target) -> None:
    steered.fake.account(steered.account).disable_type(TYPE)
    assert once(steered, key := steered.name()).status == 402
    steered.fake.account(steered.account).enable_type(TYPE)
    assert once(steered, key).status == 402
    assert once(steered, steered.name()).status == 200


@documented(PAGE)
def test_a_concurrent_duplicate_gets_429_and_may_try_again(steered: Target) -> None:
    steered.fake.faults.duplicate_in_flight(account=steered.account)
    key = steered.name()
    assert [once(steered, key).status for _ in range(2)] == [429, 200]


@guessed("the parameters are compared, not the bytes")
def test_a_form_counts_as_the_same_request_as_json(api: Target) -> None:
    key = api.name()
    form = "instruction=Big+or+small?&attachment_type=text&attachment=car&categories=big"
    headers = {"Idempotency-Key": key, "Content-Type": "application/x-www-form-urlencoded"}
    data = f"{form}&categories=small".encode()
    first = api.call("POST", f"/task/{TYPE}", data=data, headers=headers)
    assert ok(first) == once(api, key).json


@guessed("the request belongs to no account")
def test_a_401_is_not_saved(api: Target) -> None:
    key = api.name()
    headers: dict[str, str | None] = {"Idempotency-Key": key, "Authorization": "Bearer dummy"}
    assert api.call("POST", f"/task/{TYPE}", dict(BODY), headers=headers).status == 401
    assert once(api, key).status == 200


@guessed("common practice")
def test_an_empty_key_counts_as_none(api: Target) -> None:
    assert ok(once(api, ""))["task_id"] != ok(once(api, ""))["task_id"]


@documented(f"{PAGE}: the key is any string")
def test_a_key_may_be_long(api: Target) -> None:
    key = api.name() * 50
    assert ok(once(api, key))["task_id"] == ok(once(api, key))["task_id"]
