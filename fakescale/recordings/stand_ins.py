"""Stand-ins: made-up texts in place of texts of yours, the same each time."""

import functools
import hashlib
import importlib.resources
import json
import mimetypes
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from fakescale.values.hosts import HOSTS

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_ID = re.compile(r"[0-9a-f]{24}")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d(?:[T ][\d:.]{4,16}(?:Z|[+-]\d\d:?\d\d)?)?", re.ASCII)
_NUMBER = re.compile(r"-?\d{1,3}(?:\.\d)?", re.ASCII)
_DIGITS = re.compile(r"\d{4,18}", re.ASCII)
_EMAIL = re.compile(r"[^\s@/:]+@[^\s@/:]+")
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{1,20})://\S+", re.ASCII)
# Values that the documents do not list (documented, for urgency), and the number in "ISO 8601".
_MORE = {"8601", "standard", "immediate", "day", "week", "True", "False"}
# A longer text has a longer stand-in: one character longer than the largest of these lengths that
# is below the length of the text.
_LENGTHS = (16, 64, 256, 1024, 4096, 16384, 65536, 2**20)
# The most digits of the index of an item.
_INDEX = 3
# A text of this length or more is kept as its digest.
_KEPT = 128
# The schemes of URLs whose host is an id, and the domains of the API itself.
_OWN_SCHEMES = ("scaledata",)
_OWN_DOMAINS = (*HOSTS, "scale.com", "scaleapi.com", "scale.ai")


class Words(NamedTuple):
    """The words of the API itself, which stay in a redacted recording."""

    #: The names of members and parameters.
    names: frozenset[str]
    #: The values of members, and the fixed segments of paths.
    values: frozenset[str]


@functools.cache
def words() -> Words:
    """Return the words of the OpenAPI documents, and the names in the examples of task types."""
    from fakescale.api.openapi import document

    names, values = set[str](), set[str]()
    for version in ("v1", "v2"):
        described = document("http://localhost", version=version)
        _collect(described, names, values)
        values |= {segment for path in described["paths"] for segment in path.split("/")}
    types: Any = importlib.resources.files("fakescale.account").joinpath("task_types.json")
    for facts in json.loads(types.read_text("utf-8"))["types"].values():
        names |= set(_names(facts.get("params")))
        defaults = [facts.get("default_instruction"), *facts.get("echo_defaults", {}).values()]
        values |= {it for it in defaults if isinstance(it, str)}
        names |= set(_names([facts.get("example_request"), facts.get("example_response")]))
    return Words(frozenset(map(str, names)), frozenset(map(str, values)) - {""} | _MORE)


def _collect(schema: Any, names: set[str], values: set[str]) -> None:
    for found in schema if isinstance(schema, list) else ():
        _collect(found, names, values)
    if not isinstance(schema, Mapping):
        return
    for name, found in schema.items():
        if name == "properties" and isinstance(found, Mapping):
            names.update(found)
        elif name == "parameters" and isinstance(found, list):
            names |= {it["name"] for it in found if "name" in it}
        elif name in ("const", "default", "enum"):
            several = found if isinstance(found, list) else [found]
            values |= {it for it in several if isinstance(it, str)}
        if name not in ("example", "examples"):
            _collect(found, names, values)


def _names(example: Any) -> Iterator[str]:
    for found in example if isinstance(example, list) else ():
        yield from _names(found)
    for name, found in example.items() if isinstance(example, Mapping) else ():
        yield name
        yield from _names(found)


def is_media_type(text: str) -> bool:
    """Return whether a text is a well-known media type."""
    if text.lower() in ("*/*", "application/x-www-form-urlencoded"):
        return True
    return "/" in text and len(text) < 80 and mimetypes.guess_extension(text) is not None


def _key(text: str) -> str | bytes:
    """Return a short value that identifies a text, so that long texts are not kept."""
    if len(text) < _KEPT:
        return text
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


class StandIns:
    """The stand-ins of one recording. Equal texts get equal stand-ins, wherever they are."""

    def __init__(self) -> None:
        self._texts: dict[str | bytes, str] = {}
        self._numbers: dict[tuple[str, object], int] = {}
        #: The texts that got a stand-in since this was emptied.
        self.recent: set[str] = set()
        #: The numbers that stand for themselves until this is emptied.
        self.kept: set[str] = set()
        self._counts: dict[str, int] = {}
        self._words = words()

    def number(self, kind: str, original: object) -> int:
        """Return the number of a text among those of its kind, from 1."""
        found = self._numbers.get((kind, original))
        if found is None:
            found = self._numbers[kind, original] = self._counts.get(kind, 0) + 1
            self._counts[kind] = found
        return found

    def is_word(self, text: str) -> bool:
        """Return whether a text is a word of the API itself."""
        return text in self._words.values

    def is_name(self, text: str) -> bool:
        """Return whether a text is the name of a member or a parameter of the API."""
        return text in self._words.names

    def known(self, text: str) -> str | None:
        """Return the stand-in that a text has already, or None."""
        return self._texts.get(_key(text))

    def text(self, text: str) -> str:
        """Return the stand-in of a text; a word, a time and a short number stand for themselves."""
        found = self.known(text)
        if text in self.kept:
            return text
        if found is None:
            if not text.strip() or self.is_word(text) or is_media_type(text):
                return text
            if "\n" in text:  # the API joins some texts by newlines, for example instructions
                return "\n".join(map(self.text, text.split("\n")))
            found = self._texts[_key(text)] = self._made(text)
        self.recent.add(text)
        return found

    def _made(self, text: str) -> str:
        for pattern, make in self._PATTERNS:
            if pattern.fullmatch(text):
                return make(self, text)
        extension = re.search(r"\.\w{2,5}\Z", text, re.ASCII)
        stand_in = f"text-{self.number('text', _key(text))}"
        if extension and mimetypes.guess_type(f"a{extension[0]}")[0]:
            return stand_in + extension[0].lower()
        shortest = max((it for it in _LENGTHS if it < len(text)), default=0)
        return stand_in.ljust(shortest + 1, "-") if shortest else stand_in

    def _digits(self, text: str) -> str:
        return str(10 ** (len(text) - 1) + self.number("digits", text))

    def _id(self, text: str) -> str:
        # The first digits are the time of creation.
        return f"{text[:8]}{self.number('id', text):016x}"

    def _uuid(self, text: str) -> str:
        return f"00000000-0000-4000-8000-{self.number('uuid', text):012x}"

    def _email(self, text: str) -> str:
        return f"person-{self.number('e-mail', text.lower())}@example.com"

    def url(self, url: str) -> str:
        """Return the stand-in of a URL; the API's own hosts and fixed paths stay."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            return f"text-{self.number('text', _key(url))}"
        own = host.removesuffix(".")
        if parts.scheme in _OWN_SCHEMES:
            netloc = self.text(parts.netloc)
        elif any(own == it or own.endswith(f".{it}") for it in _OWN_DOMAINS):
            netloc = host if port is None else f"{host}:{port}"
            labels = own.split(".")[:-2]
            if not all(it in ("api", "dashboard", "app", "docs") for it in labels):
                netloc = f"host-{self.number('host', own)}.example"
        else:
            return f"{parts.scheme}://{self._other(parts.netloc, url, parts.path)}"
        query = (
            f"?{self.query(parts.query, lambda _, text: self.text(text))}" if parts.query else ""
        )
        return f"{parts.scheme}://{netloc}{self.path(parts.path)}{query}"

    def _other(self, netloc: str, url: str, path: str) -> str:
        host = f"host-{self.number('host', netloc)}.example"
        if url.endswith(netloc):
            return host
        *_, name = path.split("/")
        extension = re.search(r"\.\w{2,5}\Z", name, re.ASCII)
        if extension and mimetypes.guess_type(f"a{extension[0]}")[0]:
            # A file may be named by the end of its URL.
            return f"{host}/path-{self.number('path', _key(url))}/{self.text(unquote(name))}"
        return f"{host}/path-{self.number('path', _key(url))}"

    def path(self, path: str) -> str:
        """Return a path of the API with stand-ins for ids and names."""
        return "/".join(self._segment(it) for it in path.split("/"))

    def _segment(self, segment: str) -> str:
        text = unquote(segment)
        if re.fullmatch(r"v\d", text):
            return text
        stand_in = self.text(text)
        return segment if stand_in == text else quote(stand_in, safe="")

    def query(self, query: str, value: Callable[[str, str], str]) -> str:
        """Return a query, or a form, with stand-ins for its values and unknown names.

        ``value`` returns the stand-in of a value, given the name of its parameter.
        """
        try:
            pairs = parse_qsl(query, keep_blank_values=True, errors="surrogateescape")
        except ValueError:
            return quote(self.text(query), safe="")
        made = [(self.parameter(name), value(name, text)) for name, text in pairs]
        return urlencode(made, quote_via=quote, errors="surrogateescape")

    def parameter(self, name: str) -> str:
        """Return the name of a parameter, with stand-ins for the parts that the API lacks."""
        return re.sub(r"[^\[\].]+", lambda found: self.name(found[0]), name)

    def name(self, name: str) -> str:
        """Return the name of a member, or its stand-in if the API has no such member."""
        is_index = name.isdecimal() and len(name) <= _INDEX
        return name if self.is_name(name) or is_index else self.text(name)

    def token(self, text: str) -> str:
        """Return the stand-in of a token in a query, where a plus may have become a space."""
        with_plus = text.replace(" ", "+")
        return self.text(text if self.known(with_plus) is None else with_plus)

    # The forms of texts, in the order in which they are tried.
    _PATTERNS: tuple[tuple[re.Pattern[str], Callable[["StandIns", str], str]], ...] = (
        (_MOMENT, lambda _, text: text),
        (_NUMBER, lambda _, text: text),
        (_DIGITS, _digits),
        (_ID, _id),
        (re.compile(_UUID), _uuid),
        (_URL, url),
        (_EMAIL, _email),
    )
