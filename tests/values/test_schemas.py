from typing import Any

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakescale.account.task_types import _parameters
from fakescale.strategies import InvalidCreation, invalid_tasks
from fakescale.values.errors import BadRequest
from fakescale.values.frozen import freeze
from fakescale.values.keywords import KEYWORDS, PHRASES
from fakescale.values.schemas import Checker


@pytest.mark.parametrize(
    ("schema", "value", "says"),
    [
        ({"required": ["a"]}, {}, '"a" is required'),
        (
            {"properties": {"a": {"required": ["b"]}}},
            {"a": {}},
            '"a.b" is required',
        ),
        (
            {"anyOf": [{"required": ["a"]}, {"required": ["b"]}]},
            {},
            '"value" must contain at least one of [a, b]',
        ),
        (
            {"not": {"required": ["a", "b"]}},
            {"a": 1, "b": 2},
            '"value" contains a conflict between exclusive peers [a, b] (got {"a": 1, "b": 2})',
        ),
        ({"properties": {"a": {"type": "string"}}}, {"a": 1}, '"a" must be a string (got 1)'),
        ({"properties": {"a": {"type": "object"}}}, {"a": 1}, '"a" must be of type object (got 1)'),
        (
            {"properties": {"a": {"type": ["string", "object"]}}},
            {"a": None},
            '"a" must be one of [string, object] (got null)',
        ),
        ({"properties": {"a": {"enum": [1, "x"]}}}, {"a": 2}, '"a" must be one of [1, x] (got 2)'),
        (
            {"properties": {"a": {"minLength": 1}}},
            {"a": ""},
            '"a" is not allowed to be empty (got "")',
        ),
        (
            {"properties": {"a": {"items": {"properties": {"b": {"type": "array"}}}}}},
            {"a": [{}, {"b": True}]},
            '"a[1].b" must be an array (got true)',
        ),
        ({"properties": {"a": {"minItems": 2}}}, {"a": []}, '"a" must contain at least 2 items'),
        (
            {"properties": {"a": {"maxItems": 1}}},
            {"a": [1, 2]},
            '"a" must contain less than or equal to 1 items (got [1, 2])',
        ),
        ({"properties": {"a": {"minProperties": 1}}}, {"a": {}}, '"a" must have at least 1 key'),
        (
            {"properties": {"a": {"minimum": 1}}},
            {"a": 0},
            '"a" must be greater than or equal to 1 (got 0)',
        ),
        (
            {"properties": {"a": {"maximum": 1}}},
            {"a": 2.5},
            '"a" must be less than or equal to 1 (got 2.5)',
        ),
        ({"properties": {"a": False}}, {"a": 1}, '"a" is not allowed (got 1)'),
        (
            {"properties": {"a": {"format": "callback"}}},
            {"a": "nobody"},
            '"a" must be a URL or an e-mail address (got "nobody")',
        ),
        ({"properties": {"a": {"format": "url"}}}, {"a": "x"}, '"a" must be a valid uri (got "x")'),
        (
            {"properties": {"a": {"format": "moment"}}},
            {"a": "noon"},
            '"a" must be a time in ISO 8601 (got "noon")',
        ),
        (
            {"properties": {"a": {"format": "nonblank"}}},
            {"a": " "},
            '"a" is not allowed to be empty (got " ")',
        ),
        (
            {"ascending": [["low", "high"]]},
            {"low": 2, "high": 1},
            '"value" must have "high" greater than or equal to "low"',
        ),
        (
            {"properties": {"a": {"maxDistinct": 2}}},
            {"a": ["x", "y", "z"]},
            '"a" must contain less than or equal to 2 items',
        ),
        (
            {"properties": {"a": {"maxJsonBytes": 9}}},
            {"a": {"k": "éé"}},
            '"a" must not be larger than 9 bytes',
        ),
        (
            {"notRepeated": ["x", "xs"]},
            {"x": 1, "xs": [{"x": 2}, {"x": 1}]},
            '"value" must not have its "x" among its "xs"',
        ),
        (
            {"properties": {"a": {"uniqueBy": "id"}}},
            {"a": [{"id": "1"}, {"id": "1"}]},
            '"a" must not contain two items with the same "id"',
        ),
    ],
)
def test_a_refusal_names_the_field_the_rule_and_the_value(
    schema: Any, value: Any, says: str
) -> None:
    with pytest.raises(BadRequest) as refusal:
        Checker(schema).check(freeze(value))
    assert str(refusal.value).startswith(f"Parameter is invalid, reason: {says}")


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"ascending": [["low", "high"]]}, {"low": 2, "high": 2}),
        ({"ascending": [["low", "high"]]}, {"low": 2}),
        ({"ascending": [["low", "high"]]}, {"low": 2, "high": None}),
        ({"ascending": [["low", "high"]]}, 7),
        ({"maxDistinct": 1}, ["x", "x"]),
        ({"maxJsonBytes": 9}, {"k": "1"}),
        ({"notRepeated": ["x", "xs"]}, {"xs": [{"x": 1}]}),
        ({"notRepeated": ["x", "xs"]}, {"x": 1, "xs": [{"x": 2}, 1]}),
        ({"uniqueBy": "id"}, [{"id": "1"}, {"id": "2"}, {}, 3]),
        ({"format": "callback"}, "a@b"),
        ({"format": "callback"}, "http://www.example.com/callback"),
    ],
)
def test_a_value_that_obeys_the_rule_passes(schema: Any, value: Any) -> None:
    Checker(schema).check(freeze(value))


def test_a_missing_member_is_reported_before_a_bad_one() -> None:
    schema = {"required": ["z"], "properties": {"a": {"type": "string"}}}
    with pytest.raises(BadRequest, match='"z" is required'):
        Checker(schema).check({"a": 1})


@pytest.mark.parametrize("names", [["attachment"], ["attachments"], ["attachment", "attachments"]])
def test_a_missing_attachment_gets_the_documented_text(names: list[str]) -> None:
    schema = {"anyOf": [{"required": [name]} for name in names]}
    with pytest.raises(
        BadRequest, match=r"^Please include an attachment or attachments parameter\.$"
    ):
        Checker(schema).check({})


def test_a_body_with_the_other_kind_of_attachment_gets_the_documented_text() -> None:
    with pytest.raises(BadRequest) as refusal:
        Checker({"required": ["attachments"]}).check({"attachment": "x"})
    assert str(refusal.value) == 'Parameter is invalid, reason: "attachments" is required'


def test_a_known_text_replaces_the_general_one() -> None:
    checker = Checker({"required": ["a"]}, {"a": "Please."})
    with pytest.raises(BadRequest, match=r"^Please\.$"):
        checker.check({})


def test_a_bad_item_is_named_by_its_path() -> None:
    with pytest.raises(BadRequest, match=r'"tags\[0\]" must be a string'):
        Checker({"items": {"type": "string"}}).check([1], "tags")


def test_every_keyword_of_ours_has_a_phrase() -> None:
    assert set(KEYWORDS) <= set(PHRASES)


@given(invalid_tasks(), st.data())
def test_the_refusal_is_the_first_error_and_missing_members_come_first(
    creation: InvalidCreation, data: st.DataObject
) -> None:
    checker = _parameters(creation.type)
    body = {**creation.body}
    for name in data.draw(st.sets(st.sampled_from(sorted(body)), max_size=2)) if body else ():
        del body[name]
    errors = list(checker._validator.iter_errors(body))
    hypothesis.assume(errors)
    errors.sort(key=lambda error: error.kind.name != "required")
    with pytest.raises(BadRequest) as refusal:
        checker.check(body)
    assert str(refusal.value) == str(checker._refusal(errors[0], body, ""))
