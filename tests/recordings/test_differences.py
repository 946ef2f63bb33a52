"""The differences of two answers."""

import json
from typing import Any

import pytest

from fakescale.recordings.bindings import Bindings
from fakescale.recordings.differences import Answered, differences

FIRST, SECOND = "a" * 24, "b" * 24


def answered(content: Any, *, status: int = 200, media_type: str = "application/json") -> Answered:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return Answered(status, media_type, body)


def found(recorded: Answered, ours: Answered, bindings: Bindings | None = None) -> list[str]:
    return [str(it) for it in differences("GET", recorded, ours, bindings or Bindings())]


def refusal(text: str) -> Answered:
    return answered({"status_code": 400, "error": text}, status=400)


@pytest.mark.parametrize(
    ("recorded", "ours", "is_same"),
    [
        ('"limit" is wrong', '"limit" is wrong (got "999")', True),
        ('"limit" is wrong (got "9")', '"limit" is wrong (got "999")', False),
        ('"limit" is bad', '"limit" is wrong (got "999")', False),
        ('"limit" is wrong (got 1)', '"limit" is wrong', False),
    ],
)
def test_the_value_that_the_fake_adds_to_a_refusal_is_no_difference(
    recorded: str, ours: str, is_same: bool
) -> None:
    assert (not found(refusal(recorded), refusal(ours))) == is_same


def test_the_text_of_a_refusal_is_shown_whole() -> None:
    [text] = found(refusal(f"{'x' * 200}yes"), refusal(f"{'x' * 200}no"))
    assert "yes" in text
    assert "no" in text


def test_the_order_of_things_without_a_time_is_compared() -> None:
    team = [{"email": "a@x.io"}, {"email": "b@x.io"}]
    [text] = found(answered(team[::-1]), answered(team))
    assert text.startswith("order []")
    dated = [{"id": it, "created_at": "2021-06-29T20:21:53.289Z"} for it in (FIRST, SECOND)]
    assert found(answered(dated[::-1]), answered(dated)) == []


def test_the_media_type_of_json_is_compared_if_it_is_recorded() -> None:
    text = 'type: recorded "text/html", the fake has "application/json"'
    assert found(answered({}, media_type="text/html"), answered({})) == [text]
    assert found(answered({}, media_type=""), answered({})) == []


@pytest.mark.parametrize(("body", "words"), [(b"", "no body"), (b"{", "a body that is not JSON")])
def test_a_body_that_is_no_json_is_named(body: bytes, words: str) -> None:
    text = f'type: recorded {words}, the fake has "application/json"'
    assert found(answered(body), answered({})) == [text]


def test_an_id_that_stands_for_itself_stands_for_no_other() -> None:
    bindings = Bindings()
    assert found(answered({"project": FIRST}), answered({"project": FIRST}), bindings) == []
    assert len(found(answered({"project": SECOND}), answered({"project": FIRST}), bindings)) == 1
    assert bindings.in_text(SECOND) == SECOND


def test_the_types_inside_of_what_a_labeler_makes_are_compared() -> None:
    ours = answered({"response": {"annotations": [{"left": 1}], "more": {"a": 1}}})
    theirs = answered({"response": {"annotations": [5], "more": {"a": "x"}}})
    texts = [it.partition(":")[0] for it in found(theirs, ours)]
    assert texts == ["type response.annotations[]", "type response.more.a"]
    assert found(answered({"response": {"annotations": [], "more": {"a": 2}}}), ours) == []


def test_a_member_that_a_client_chose_is_compared_whatever_its_name() -> None:
    recorded, ours = ({"metadata": {"message": text}} for text in ("hello", ""))
    [text] = found(answered(recorded), answered(ours))
    assert text.startswith("value metadata.message")
    assert found(answered({"message": "hello"}), answered({"message": ""})) == []


@pytest.mark.parametrize(
    ("recorded", "ours", "is_same"),
    [
        ("http://a.io/x", "https://b.io/y", True),
        ("scaledata://a", "scaledata://b", True),
        ("scaledata://a", "https://b.io/y", False),
        ("https://a.io/x", "no address", False),
    ],
)
def test_urls_are_compared_by_their_kind(recorded: str, ours: str, is_same: bool) -> None:
    assert (not found(answered({"url": recorded}), answered({"url": ours}))) == is_same
