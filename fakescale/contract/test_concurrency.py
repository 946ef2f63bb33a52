"""What holds when many threads use one account at once."""

import random

from fakescale.contract.crowd import Crowd
from fakescale.contract.target import Target


def test_a_crowd_sees_what_one_after_the_other_could_have_seen(crowded: Target) -> None:
    seed = random.randrange(10**9)
    print(f"seed {seed}")  # in the report of a failure
    crowd = Crowd(crowded, seed)
    crowd.run(calls=25, seconds=60)
    assert crowd.problems() == []
