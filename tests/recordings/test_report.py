"""The report of a comparison, for people, programs and CI."""

import json
from typing import Any
from xml.etree import ElementTree

import pytest

from fakescale.contract.facts import nearest
from fakescale.recordings.comparing import compare_exchanges
from fakescale.recordings.exchanges import Recorded
from fakescale.recordings.report import Allowed, Report
from tests.recordings.test_seeded_differences import recording


def changed(old: str, new: str) -> list[Recorded]:
    """Return the recording with other texts in its answers."""
    return [it._replace(answer=it.answer.replace(old.encode(), new.encode())) for it in recording()]


OLD, NEW = "Task with that ID not found.", r"No\u001b such\u0000 task."


@pytest.fixture(scope="module")
def report() -> Report:
    exchanges = [*changed(OLD, NEW)]
    exchanges[-2] = exchanges[-2]._replace(status=503, source="other.har, exchange 1")
    return compare_exchanges(exchanges, facts=nearest)


def test_a_line_tells_of_each_exchange(report: Report) -> None:
    lines = report.to_text().splitlines()
    told = "other.har, exchange 1: GET /v2/batch?batch_name=b: not asked (the status is 503)"
    assert told in lines
    [index] = [i for i, line in enumerate(lines) if line.endswith(": differs")]
    assert lines[index].startswith("memory, exchange 11: GET /v1/task/000000000000000000000000")
    assert lines[index + 1].startswith('    text: recorded "No')
    assert lines[-1] == "30 exchanges: 28 same, 1 different, 1 not asked"
    assert len(recording()) == 30


def test_the_table_tells_the_nearest_facts(report: Report) -> None:
    [row] = report.table()
    assert (row.kind, row.member, row.count, row.endpoints) == ("text", "", 1, 1)
    assert row.endpoint == "GET /v1/task/<task_id>"
    assert "    text in GET /v1/task/<task_id> (once)" in report.ending().splitlines()
    assert nearest("GET /v1/tasks", "total") == [
        "nearest fact: total counts all matches on every page (documented: tasks page of the"
        " reference; official Python client)"
    ]
    assert nearest("GET /v1/tasks", "docs[].nobody_knows") == []


def test_the_report_is_json(report: Report) -> None:
    shown = json.loads(json.dumps(report.to_json()))
    assert shown["counts"] == {"same": len(recording()) - 2, "differs": 1, "not asked": 1}
    [row] = shown["table"]
    assert row["example"]["kind"] == "text"
    assert len(shown["exchanges"]) == len(recording())
    assert sum(len(it["arranged"]) for it in shown["exchanges"]) == len(report.arranged) > 0


def test_the_report_is_junit(report: Report) -> None:
    suites = ElementTree.fromstring(report.to_junit().encode())
    counts = [
        (it.get("name"), it.get("tests"), it.get("failures"), it.get("skipped")) for it in suites
    ]
    assert counts == [("memory", "29", "1", "0"), ("other.har", "1", "0", "1")]
    [failure] = suites.iter("failure")
    assert "No" in str(failure.get("message"))


RULES: dict[str, bool] = {
    "missing": True,
    "missing:docs[].flavor": False,
    "missing:flavor": True,
    "missing:fla*": True,
    "missing:docs[]": False,
    "unknown": False,
    "missing:taste": False,
}


@pytest.mark.parametrize("rule", RULES)
def test_a_kind_is_allowed_or_a_member_of_it(rule: str) -> None:
    exchanges = changed('"urgency":', '"flavor":1,"urgency":')
    report = compare_exchanges(exchanges, allow=[rule])
    assert report.same is RULES[rule]
    if report.same:
        assert {row.is_allowed for row in report.table()} == {True}
        assert "allowed: missing" in report.to_text()


def test_the_endpoint_of_a_text_can_be_allowed() -> None:
    exchanges = changed(OLD, NEW)
    assert compare_exchanges(exchanges, allow=["text:/v1/task/<task_id>"]).same
    assert not compare_exchanges(exchanges, allow=["text:/v1/tasks"]).same


@pytest.mark.parametrize("rule", ["", "Missing", "member", ":missing"])
def test_another_kind_is_refused(rule: str) -> None:
    with pytest.raises(ValueError, match="is not one of: status, text"):
        Allowed([rule])


FORMS: dict[str, tuple[Any, Any, str]] = {
    "a number for a text": ('"urgency":"standard"', '"urgency":3', "type urgency"),
    "a null": ('"urgency":"standard"', '"urgency":null', "type urgency"),
    "another constant": ('"is_test":false', '"is_test":true', "value is_test"),
    "an echo": ('"attachment":"a"', '"attachment":"z"', "value params.attachment"),
    "another form of times": ('Z","updated_at"', '+00:00","updated_at"', "type created_at"),
}


@pytest.mark.parametrize("name", FORMS)
def test_the_kind_names_the_difference(name: str) -> None:
    old, new, expected = FORMS[name]
    found = {
        f"{it.kind} {it.member}".strip() for it in compare_exchanges(changed(old, new)).table()
    }
    assert found == {expected}
