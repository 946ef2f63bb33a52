"""Recordings with anything in them are compared without an error."""

import functools
import json
from collections.abc import Sequence
from typing import Any

import hypothesis
from hypothesis import strategies as st

from fakescale import FakeScale
from fakescale.recordings.comparing import compare_exchanges
from fakescale.recordings.exchanges import Recorded
from tests.recordings import test_delivered, test_refusals
from tests.recordings.test_arranging import recorder_of
from tests.recordings.test_seeded_differences import recording
from tests.support import examples

_LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-2, 10**20)
    | st.sampled_from(["", "completed", "9999-12-31T23:59:59.999Z", "1-1", "a" * 24, "p", "\0"])
)
_JSON = st.recursive(
    _LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["task_id", "docs", "name", "status", "audits", "pending", "id", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


_STORIES = {**test_delivered.STORIES, **test_refusals.STORIES}


@functools.cache
def told(name: str) -> Sequence[Recorded]:
    """Return the recording of a story, or of all seeded differences."""
    if name == "seeds":
        return recording()
    recorder = recorder_of(FakeScale(seed=name))
    _STORIES[name](recorder.fake, recorder)
    return recorder.in_order()


def spoiled(value: Any, choose: Any) -> Any:
    """Return a JSON value, of which some parts are other values."""
    if choose(st.integers(0, 9)) == 0:
        return choose(_JSON)
    if isinstance(value, dict):
        return {name: spoiled(item, choose) for name, item in value.items()}
    if isinstance(value, list):
        return [spoiled(item, choose) for item in value]
    return value


@hypothesis.settings(
    max_examples=examples(200),
    deadline=None,
    suppress_health_check=[*hypothesis.HealthCheck],
)
@hypothesis.given(st.data())
def test_an_odd_answer_is_a_difference_and_no_error(
    complaints: list[str], data: st.DataObject
) -> None:
    exchanges = list(told(data.draw(st.sampled_from(["seeds", *_STORIES]))))
    for place in data.draw(st.lists(st.integers(0, len(exchanges) - 1), max_size=6)):
        answer = spoiled(json.loads(exchanges[place].answer or b"{}"), data.draw)
        status = data.draw(st.sampled_from([200, 201, 204, 400, 402, 404, 409, 600]))
        exchanges[place] = exchanges[place]._replace(
            answer=json.dumps(answer).encode(), status=status
        )
    report = compare_exchanges(exchanges)
    assert len(report.exchanges) == len(exchanges)
    assert report.to_text()
    assert report.to_junit()
    assert json.dumps(report.to_json())
    complaints.clear()  # a fake that is given odd things shows odd things
