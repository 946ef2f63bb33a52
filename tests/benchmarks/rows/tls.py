"""The time that TLS adds for a redirected client."""

import importlib.util

from tests.benchmarks.lab import Lab, once
from tests.benchmarks.measure import Missing, Round, Row, Target
from tests.benchmarks.rows.requests import Side


def redirected(how: str) -> Side:
    def prepare(lab: Lab) -> Round:
        if importlib.util.find_spec("fakescale.redirection") is None:
            raise Missing("fakescale.redirection is not there")
        return once("first_call", how)(lab)

    return prepare


ROWS = (
    Row(
        name="first-call",
        what="a client's first call to https://api.scale.com, redirected, with what TLS needs",
        unit="ms",
        sides={
            "fakescale": redirected("redirected"),
            "plain HTTP": once("first_call", "plain"),
            "imports alone": redirected("import"),
        },
        targets=(Target(at_most=10, beyond="plain HTTP"),),
    ),
)
