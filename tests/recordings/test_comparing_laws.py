"""Laws of the comparison: a recording of the fake itself differs in nothing."""

import json
from collections.abc import Mapping

import hypothesis
import pytest

from fakescale import FakeScale
from fakescale.contract.target import Line, Reply, Target
from fakescale.contract.test_machine import run
from fakescale.recordings.comparing import compare_exchanges
from tests.recordings.recorder import Recorder
from tests.support import examples


class _Recording(Line):
    """The line to a fake whose exchanges are recorded."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__("http://localhost/v1")
        self._recorder = recorder

    def _send(
        self, method: str, target: str, data: bytes | None, headers: Mapping[str, str]
    ) -> Reply:
        path = target.removeprefix("/v1")
        reply = self._recorder(method, path, data=data, headers=dict(headers))
        return Reply(reply.status, json.loads(reply.bytes), reply.headers, reply.bytes)


@pytest.mark.parametrize("steered", [True, False])
def test_any_calls_on_a_fake_compare_as_the_same(steered: bool) -> None:
    fake = FakeScale(seed="law")
    recorder = Recorder(fake)
    key = fake.api_key if steered else fake.test_api_key
    target = Target(fake.url, key, fake=fake, line=_Recording(recorder))
    settings = hypothesis.settings(
        max_examples=examples(50),
        stateful_step_count=30,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=[*hypothesis.HealthCheck],
    )
    with target.standing_time():
        run(target, settings, steered=steered)
    report = compare_exchanges(recorder.in_order())

    assert report.same, report.ending()
    some = [it for place, it in enumerate(recorder.in_order()) if place % 2 or it.method != "GET"]
    report_of_some = compare_exchanges(some)
    assert report_of_some.same, report_of_some.ending()
    assert len(report.exchanges) == len(recorder.exchanges)
