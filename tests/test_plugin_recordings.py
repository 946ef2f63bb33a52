"""The option ``--fakescale-compare`` of pytest, and its ini keys."""

from pathlib import Path

import pytest

from fakescale.recordings import write_har
from tests.recordings.test_report import changed
from tests.recordings.test_seeded_differences import recording


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    """Return a suite with a test and two recordings, of which one differs."""
    folder = Path(pytester.path, "cassettes", "deep")
    folder.mkdir(parents=True)
    write_har(folder / "same.har", recording())
    write_har(folder / "other.har", changed('"urgency":', '"flavor":1,"urgency":'))
    pytester.makepyfile("def test_own(): pass")
    return pytester


def run(suite: pytest.Pytester, *given: str) -> pytest.RunResult:
    return suite.runpytest_inprocess("-p", "no:randomly", *given)


ALL = "--fakescale-compare=cassettes/**/*.har"


def test_each_file_is_a_test(suite: pytest.Pytester) -> None:
    result = run(suite, ALL, "-v")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(
        [
            "*collected 3 items",
            "*cassettes/deep/other.har::compare FAILED*",
            "*cassettes/deep/same.har::compare PASSED*",
            "*other.har, exchange 3: POST /v1/task/categorization: differs",
            "    missing flavor: recorded 1, the fake has nothing",
            "    missing flavor in POST /v1/task/<type> and * more (* times)",
            "30 exchanges: * same, * different, 0 not asked",
        ]
    )
    assert "Traceback" not in result.stdout.str()
    assert ": same" not in result.stdout.str()


def test_the_tests_can_be_chosen(suite: pytest.Pytester) -> None:
    run(suite, ALL, "-k", "same").assert_outcomes(passed=1, deselected=2)
    run(suite, ALL, "-k", "compare").assert_outcomes(passed=1, failed=1, deselected=1)


def test_several_patterns_name_a_file_once(suite: pytest.Pytester) -> None:
    again = "--fakescale-compare=cassettes/deep/same.har"
    run(suite, again, ALL, again).assert_outcomes(passed=2, failed=1)


def test_the_ini_keys(suite: pytest.Pytester) -> None:
    suite.makeini(
        "[pytest]\nfakescale_compare = cassettes/*/*.har\nfakescale_compare_allow = missing:flavor"
    )
    run(suite).assert_outcomes(passed=3)


def test_the_tests_are_shared_among_processes(suite: pytest.Pytester) -> None:
    result = suite.runpytest_subprocess("-p", "no:randomly", ALL, "-n", "1")
    result.assert_outcomes(passed=2, failed=1)


def test_an_unreadable_file_is_one_line(suite: pytest.Pytester) -> None:
    Path(suite.path, "broken.har").write_text("{")
    result = run(suite, "--fakescale-compare=broken.har")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*broken.har*"])
    assert "Traceback" not in result.stdout.str()


def test_the_exchanges_before_an_unreadable_one_are_shown(suite: pytest.Pytester) -> None:
    file = Path(suite.path, "cassettes", "deep", "other.har")
    file.write_bytes(file.read_bytes()[:-400])
    result = run(suite, "--fakescale-compare=cassettes/deep/other.har")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        ["*exchange 3: POST /v1/task/categorization: differs", "29 exchanges: *", "*exchange 30: *"]
    )


def test_a_file_without_an_exchange_of_the_api_is_skipped(suite: pytest.Pytester) -> None:
    write_har(Path(suite.path, "empty.har"), [])
    result = run(suite, "--fakescale-compare=empty.har", "-rs")
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["*no exchange with api.scale.com in *empty.har*"])


WRONG = {
    "--fakescale-compare=none/*.har": "no file fits 'none/*.har'",
    "-o fakescale_compare_mode=other": "fakescale_compare_mode is live or test (got 'other')",
    "-o fakescale_compare_allow=other": "fakescale_compare_allow: 'other' is not one of",
}


@pytest.mark.parametrize("given", WRONG)
def test_wrong_options_are_a_usage_error(suite: pytest.Pytester, given: str) -> None:
    result = run(suite, ALL, *given.split())
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*{WRONG[given].replace('[', '[[]')}*"])
