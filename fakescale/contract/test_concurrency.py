"""Facts that hold while many threads use one account."""

import random

from fakescale.contract.crowd import Crowd
from fakescale.contract.target import Target


def test_a_crowd_sees_only_what_calls_in_some_order_could_show(crowded: Target) -> None:
    seed = random.randrange(10**9)
    print(f"seed {seed}")  # for the report of a failure
    crowd = Crowd(crowded, seed)
    crowd.run(calls=25, seconds=60)
    assert crowd.problems() == []
