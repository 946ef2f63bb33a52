"""The report of a comparison: for people, for programs, and for CI."""

import dataclasses
import fnmatch
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Literal, NamedTuple
from xml.etree import ElementTree

from fakescale.recordings.differences import KINDS, Difference

#: The outcome of an exchange. The fake is not asked if the service itself failed to answer.
Verdict = Literal["same", "differs", "not asked"]
#: Returns lines about the facts of the contract nearest to an endpoint and a member of it.
Facts = Callable[[str, str], Sequence[str]]

_SHOWN = 20  # arranged things in the report for people
_LIST = re.compile(r"(?:docs|tasks|batches|projects)?\[\]\.")
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Compared(NamedTuple):
    """The outcome of one exchange."""

    #: The file and the number of the exchange: ``FILE, exchange 3``.
    source: str
    #: The method and the target, for example ``GET /v1/tasks?limit=2``.
    request: str
    #: The method and the pattern of the path, for example ``GET /v1/task/<task_id>``.
    endpoint: str
    #: The recorded status.
    status: int
    #: The outcome.
    verdict: Verdict
    #: The differences that are not allowed.
    differences: Sequence[Difference] = ()
    #: The differences that are allowed.
    allowed: Sequence[Difference] = ()
    #: The things that were arranged before the exchange, in words.
    arranged: Sequence[str] = ()

    @property
    def file(self) -> str:
        """The path of the file."""
        return self.source.rpartition(", exchange ")[0] or self.source

    def lines(self) -> Iterator[str]:
        """Yield the lines about the exchange: one, and one for each difference."""
        told = f"{self.verdict} (the status is {self.status})"
        told = told if self.verdict == "not asked" else self.verdict
        yield f"{self.source}: {self.request}: {told}"
        for it in self.differences:
            yield f"    {it}"
        for it in self.allowed:
            yield f"    allowed: {it}"


@dataclasses.dataclass(frozen=True)
class Row:
    """A row of the table of differences."""

    #: The kind of the difference.
    kind: str
    #: The path of the member, without the list around it.
    member: str
    #: The first endpoint that has it.
    endpoint: str
    #: The number of endpoints that have it.
    endpoints: int
    #: The number of exchanges that have the difference.
    count: int
    #: Whether the difference is allowed.
    is_allowed: bool
    #: The first exchange that has it.
    source: str
    #: The difference in that exchange.
    example: Difference
    #: The nearest facts of the contract.
    facts: Sequence[str]


@dataclasses.dataclass
class Report:
    """The result of a comparison."""

    #: The outcomes, in the order of the recording.
    exchanges: list[Compared] = dataclasses.field(default_factory=list)
    #: Finds the facts of the contract for the table; None leaves them out.
    facts: Facts | None = None
    #: The reason why the recording could not be read to its end, or None.
    error: str | None = None

    @property
    def same(self) -> bool:
        """Whether all was read, and nothing differs that is not allowed."""
        return self.error is None and not any(it.verdict == "differs" for it in self.exchanges)

    @property
    def differing(self) -> list[Compared]:
        """The exchanges that differ, except for allowed differences."""
        return [it for it in self.exchanges if it.verdict == "differs"]

    @property
    def arranged(self) -> list[tuple[str, str]]:
        """The arranged things in words, each with the exchange that showed it."""
        return [(it.source, text) for it in self.exchanges for text in it.arranged]

    def counts(self) -> dict[Verdict, int]:
        """Return the number of exchanges by outcome."""
        counts = Counter(it.verdict for it in self.exchanges)
        return {verdict: counts[verdict] for verdict in ("same", "differs", "not asked")}

    def table(self) -> list[Row]:
        """Return the differences by kind and member, the most frequent first.

        A status and a text have no member, so each endpoint has its own row.
        """
        found: dict[tuple[str, str, bool], list[tuple[Compared, Difference]]] = {}
        for it in self.exchanges:
            for is_allowed, several in ((False, it.differences), (True, it.allowed)):
                for difference in several:
                    name = bare(difference.member) or it.endpoint
                    found.setdefault((difference.kind, name, is_allowed), []).append(
                        (it, difference)
                    )
        rows = []
        for (kind, _, is_allowed), cases in found.items():
            first, example = cases[0]
            member, endpoints = bare(example.member), {it.endpoint for it, _ in cases}
            row = Row(
                kind=kind,
                member=member,
                endpoint=first.endpoint,
                endpoints=len(endpoints),
                count=len({it.source for it, _ in cases}),
                is_allowed=is_allowed,
                source=first.source,
                example=example,
                facts=self.facts(first.endpoint, member) if self.facts else (),
            )
            rows.append(row)
        return sorted(rows, key=lambda row: (row.is_allowed, -row.count))

    def summary(self) -> str:
        """Return one line with the number of exchanges by outcome."""
        counts = self.counts()
        texts = (
            f"{len(self.exchanges)} exchanges",
            f"{counts['same']} same",
            f"{counts['differs']} different",
            f"{counts['not asked']} not asked",
        )
        return f"{texts[0]}: {', '.join(texts[1:])}"

    def to_text(self) -> str:
        """Return the report for people."""
        lines = [line for it in self.exchanges for line in it.lines()]
        return "\n".join([*lines, self.ending()])

    def ending(self) -> str:
        """Return the end of the report for people, after the lines about the exchanges."""
        lines = []
        if arranged := self.arranged:
            lines += ["", "Arranged, because no client in the recording did it:"]
            lines += [f"    before {source}: {text}" for source, text in arranged[:_SHOWN]]
            if len(arranged) > _SHOWN:
                lines.append(f"    and {len(arranged) - _SHOWN} more")
        rows = self.table()
        if rows:
            lines += ["", "Differences by kind:"]
        for row in rows:
            times = "once" if row.count == 1 else f"{row.count} times"
            allowed = ", allowed" if row.is_allowed else ""
            name = f"{row.kind} {row.member}" if row.member else row.kind
            more = f" and {row.endpoints - 1} more" if row.endpoints > 1 else ""
            lines.append(f"    {name} in {row.endpoint}{more} ({times}{allowed})")
            lines.append(f"        {row.source}: recorded {row.example.recorded}")
            lines.append(f"        the fake has {row.example.ours}")
            lines += [f"        {fact}" for fact in row.facts]
        return "\n".join([*lines, "", self.summary()])

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON-able data, for programs."""
        return {
            "counts": self.counts(),
            "error": self.error,
            "exchanges": [
                {
                    **it._asdict(),
                    "differences": [difference._asdict() for difference in it.differences],
                    "allowed": [difference._asdict() for difference in it.allowed],
                    "arranged": list(it.arranged),
                }
                for it in self.exchanges
            ],
            "table": [
                {
                    **dataclasses.asdict(row),
                    "example": row.example._asdict(),
                    "facts": list(row.facts),
                }
                for row in self.table()
            ],
        }

    def to_junit(self) -> str:
        """Return the report as JUnit XML: an exchange is a test case, a file a suite."""
        suites = ElementTree.Element("testsuites", name="fakescale compare")
        files: dict[str, list[Compared]] = {}
        for it in self.exchanges:
            files.setdefault(it.file, []).append(it)
        for file, several in files.items():
            suite = ElementTree.SubElement(
                suites,
                "testsuite",
                name=_xml(file),
                tests=str(len(several)),
                failures=str(sum(it.verdict == "differs" for it in several)),
                skipped=str(sum(it.verdict == "not asked" for it in several)),
                errors="0",
            )
            for it in several:
                name = f"{it.source.rpartition(', ')[2]}: {it.request}"
                case = ElementTree.SubElement(
                    suite, "testcase", classname=_xml(file), name=_xml(name), time="0"
                )
                if it.verdict == "differs":
                    first, *_ = it.differences
                    failure = ElementTree.SubElement(case, "failure", message=_xml(str(first)))
                    failure.text = _xml("\n".join(map(str, it.differences)))
                elif it.verdict == "not asked":
                    told = f"the recorded status is {it.status}"
                    ElementTree.SubElement(case, "skipped", message=told)
        if self.error is not None:
            name = "fakescale compare"
            suite = ElementTree.SubElement(
                suites, "testsuite", name=name, tests="1", failures="0", skipped="0", errors="1"
            )
            case = ElementTree.SubElement(
                suite, "testcase", classname=name, name="read the recordings", time="0"
            )
            ElementTree.SubElement(case, "error", message=_xml(self.error))
        ElementTree.indent(suites)
        return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


class Allowed:
    """The differences that are known, and let no comparison fail.

    Each is a kind, or ``KIND:MEMBER``, where ``*`` in the member stands for any text. The member is
    the whole path, or the path without the list around it. For a status or a text, which have no
    member, it is the path of the endpoint. Raises ValueError for any other text.
    """

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._rules = [text.partition(":")[::2] for text in texts]
        for kind, _ in self._rules:
            if kind not in KINDS:
                raise ValueError(f"{kind!r} is not one of: {', '.join(KINDS)}")

    def __call__(self, difference: Difference, endpoint: str) -> bool:
        """Return whether a difference is allowed."""
        member = difference.member or endpoint.partition(" ")[2]
        names = (member, bare(member))
        return any(
            kind == difference.kind and (not wanted or any(_fits(it, wanted) for it in names))
            for kind, wanted in self._rules
        )


def bare(member: str) -> str:
    """Return the path of a member without the list around it."""
    return _LIST.sub("", member, count=1) if _LIST.match(member) else member


def _fits(member: str, wanted: str) -> bool:
    # Brackets stand for the items of a list, and are no wildcards.
    return fnmatch.fnmatchcase(member, wanted.replace("[", "[[]"))


def _xml(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
