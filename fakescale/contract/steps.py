"""The steps of the state machine, and the few values that they draw from."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from fakescale import strategies
from fakescale.contract.model import DAY

MILLISECOND = dt.timedelta(milliseconds=1)

# Bodies of creations by type, without the members that a creation draws.
WORK: Mapping[str, Mapping[str, Any]] = {
    "categorization": {
        "instruction": "Big or small?",
        "attachment_type": "text",
        "attachment": "car",
        "categories": ["big", "small"],
        "allow_multiple": False,
    },
    "textcollection": {"attachments": [{"type": "text", "content": "Great soup."}]},
}
TYPE = "categorization"  # the type of the one project


def seldom(usual: st.SearchStrategy[Any], odd: Any) -> st.SearchStrategy[Any]:
    """Return a strategy that draws from ``usual``, and now and then draws ``odd``."""
    return st.sampled_from([*[usual] * 9, st.just(odd)]).flatmap(lambda it: it)


# Few values, so that steps collide. A number selects one of a few things, like a task.
NUMBERS = st.integers(0, 12)
SOME = st.lists(NUMBERS, min_size=1, max_size=2)
TAGS = seldom(strategies.tags(), ["a", ""])
METADATA = seldom(strategies.metadata(), ["no object"])
_FEW = st.dictionaries(st.sampled_from("ab"), st.integers(0, 2), max_size=2)
NESTED = st.dictionaries(st.sampled_from("ab"), st.integers(0, 2) | _FEW, max_size=2)
EDGES = st.sampled_from([0, -1, 1])  # milliseconds from a bound
VERBS = st.sampled_from(["PUT", "POST", "DELETE"])
ACTIONS = (
    "complete",
    "fail",
    "start",
    "cancel",
    "cancel?clear_unique_id=false",
    "cancel?clear_unique_id=true",
    "audit?accepted",
    "audit?rejected",
)
# Sequences that chance seldom draws, because they need a pending task.
STORIES = (
    ("fail",),
    ("start", "cancel"),
    ("complete", "audit?accepted", "audit?rejected"),
)
BATCH_ACTIONS = st.sampled_from(["pause", "pause", "resume", "resume", "finalize", "cancel"])
RESPONSES = {"complete": {"category": "big"}, "fail": {"error": "The image is gone."}}
FILTERS = ("status", "type", "project", "batch", "unique_id", "tags")
MORE_FILTERS = {
    "customer_review_status": "",
    "start_time": "created_at",
    "end_time": "created_at",
    "completed_after": "completed_at",
    "completed_before": "completed_at",
    "updated_after": "updated_at",
    "updated_before": "updated_at",
}

CREATIONS = st.fixed_dictionaries(
    {
        "type": st.sampled_from([*WORK]),
        "home": st.sampled_from([None, "project", "batch", "batch"]),
        "batch": NUMBERS,
        "unique_id": st.sampled_from([None, 0, 1, 2]),
        "key": st.sampled_from([None, None, 0, 1]),
        "members": st.fixed_dictionaries(
            {
                "metadata": METADATA,
                "tags": TAGS,
                "clear_unique_id_on_error": st.sampled_from([True, True, False]),
            }
        ),
    }
)


# The steps that are only taken on a fake. They take time, or no source tells their effect in test
# mode or at once.
ONLY_STEERED = ("let_time_pass", "create_again_a_day_later", "move_batch")

# The steps by name, with the strategies of their arguments. They are one rule: with many rules,
# hypothesis leaves out several in each example, but most bugs need several kinds of steps.
# Hypothesis makes its first example of the first step alone, and shrinks other steps to it.
IDLE = "ask_for_nothing"
STEPS: Mapping[str, Mapping[str, st.SearchStrategy[Any]]] = {
    IDLE: {"verb": st.sampled_from(["GET", "POST/cancel", "POST/setMetadata", "DELETE/unique_id"])},
    "clear_unique_id": {"number": NUMBERS},
    "set_unique_id": {"number": NUMBERS, "which": NUMBERS},
    "set_metadata": {"number": NUMBERS, "metadata": METADATA},
    "merge_metadata": {
        "number": NUMBERS,
        "several": st.lists(seldom(NESTED, ["no object"]), min_size=1, max_size=3),
    },
    "list_by_v2": {"status": st.integers(0, 5), "batch": st.integers(0, 3)},
    "change_tags": {
        "number": NUMBERS,
        "changes": st.lists(st.tuples(VERBS, TAGS), min_size=1, max_size=3),
    },
    "move": {
        "number": NUMBERS,
        "actions": st.sampled_from(STORIES)
        | st.lists(st.sampled_from(ACTIONS), min_size=1, max_size=4),
    },
    "move_batch": {
        "batch": NUMBERS,
        "work": st.sampled_from(["", "", "begins", "ends"]),
        "actions": st.lists(BATCH_ACTIONS, min_size=1, max_size=3),
    },
    "create": {"it": CREATIONS},
    "create_again": {"key": NUMBERS, "other": st.booleans()},
    "create_again_a_day_later": {"key": NUMBERS, "edge": EDGES, "between": st.booleans()},
    "let_time_pass": {"by": st.sampled_from([MILLISECOND, dt.timedelta(seconds=1), DAY])},
    "set_params": {"size": st.integers(0, 9)},
    "list_by_each_filter": {"numbers": SOME, "edge": EDGES, "joined": st.booleans()},
    "list_by_some_filters": {
        "names": st.lists(NUMBERS, max_size=2),
        "numbers": SOME,
        "edge": EDGES,
        "offset": st.integers(0, 2),
        "limited": st.booleans(),
    },
}
