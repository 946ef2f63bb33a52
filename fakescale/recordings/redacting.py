"""The copy of a recording without its secrets, for a report; it compares like the original.

Times, and numbers outside of metadata, stay. So do the words of the API itself. Any other text gets
a stand-in, everywhere the same.
"""

import base64
import contextlib
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from fakescale.recordings.bodies import to_bytes
from fakescale.recordings.exchanges import Recorded
from fakescale.recordings.keys import key_of, text_of
from fakescale.recordings.stand_ins import StandIns, is_media_type
from fakescale.values.hosts import HOST, HOSTS

Fields = Sequence[tuple[str, str]]

# The header fields that stay, unless their value may be yours.
_KEPT = re.compile(
    r"(?:accept|content-type|date|retry-after|allow|age|x-ratelimit-[a-z-]+|ratelimit-[a-z-]+)"
)
_CHARSET = re.compile(r"; ?charset=(?:utf-?8|us-ascii|iso-8859-1)\Z", re.IGNORECASE)
_NUMBERS = re.compile(r"[\d\s,;:=.]*", re.ASCII)
_METHODS = re.compile(r"(?:(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS)(?:, ?|\Z))+")
_DATE = re.compile(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT")
# Members whose content is yours, including the names in it.
_YOURS = ("metadata", "params", "response", "template_variables")
_STATE = re.compile(r"status|type|urgency|\w+_status")
_CODE_WORD = re.compile(r"[a-z]+(?:_[a-z]+)*")
_NAMES = ("project", "batch")
# Parameters of a query whose value is a number or a time.
_COUNT = re.compile(r"limit|offset|page|(?:\w+_)?(?:after|before|time|at)")
_DIGITS = re.compile(r"[-+\d.:TZ ]{1,40}", re.ASCII)
_MESSAGES = ("error", "errors", "message")
_QUOTED = re.compile(r"""("(?:[^"\\]|\\.)*")|(?<!\w)'([^']*)'(?!\w)|`([^`]*)`|“([^”]*)”""")
_GOT = re.compile(r"\(got (.*)\)\Z", re.DOTALL)
_LOOSE = r"[A-Za-z][\w+.-]*://[^\s\"'<>]+|[^\s\"'<>()@]+@[^\s\"'<>()@]+|[^\s\"'(),;\[\]]+"
# A word that a message may have, even if it is a text of yours too.
_SHORT = re.compile(r"[a-z]{1,3}")
# A number of up to three digits, or a time of day, in a message. Neither tells anything of yours.
_FEW = re.compile(
    r"\W*[0-9]{1,3}(?:\.[0-9]{1,3})?\W*|[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?"
)
_LETTER = re.compile(r"[^\W_]")
_INDEX = re.compile(r"\[[0-9]{1,3}\]")
_PLACE = re.compile(r"[^\W\d]")
# A word of a language, or an abbreviation.
_WORD = re.compile(r"[A-Za-z]?[a-z]*(?:[-/][a-z]+)*|[A-Z]{1,5}", re.ASCII)
_BOUNDARY = "boundary-1"
_BOUNDARY_OF = re.compile(r"boundary=\"?([^\";]+)", re.IGNORECASE)
# The name, file name and type in the head of a part of a multipart body.
_NAME = re.compile(r'; *name="?([^";\r\n]*)', re.IGNORECASE)
_FILE = re.compile(r'; *filename="?([^";\r\n]*)', re.IGNORECASE)
_TYPE = re.compile(r"content-type: *([^;\s]+)", re.IGNORECASE)
_LONGEST_MESSAGE = 10_000  # characters; a longer one is a text like any other
_CODE = re.compile(r"[A-Za-z]\w{0,40}", re.ASCII)


def redact(exchanges: Iterable[Recorded]) -> Iterator[Recorded]:
    """Yield the exchanges without keys, cookies, addresses, e-mails, names and texts.

    Each of these has a stand-in, the same in all exchanges, so that ids and names stay bound.
    Numbers outside of metadata, times, and the words of the API stay. A message of the API stays
    too, but quoted texts in it, and texts that were seen before, have stand-ins.
    """
    redactor = _Redactor()
    for exchange in exchanges:
        yield redactor.exchange(exchange)


def _in(head: bytes, pattern: re.Pattern[str]) -> str | None:
    found = pattern.search(head.decode(errors="replace"))
    return None if found is None else found[1]


def _split(text: str) -> list[str]:
    return [text] if text.lstrip().startswith(("{", "[")) else text.split(",")


class _Redactor:
    def __init__(self) -> None:
        self._stand_ins = StandIns()
        self._count = 0
        self._sent: frozenset[str] = frozenset()  # the texts of the request
        self._is_refusal = False

    def exchange(self, exchange: Recorded) -> Recorded:
        names, parts = self._stand_ins, urlsplit(exchange.url)
        self._count += 1
        names.recent.clear()
        names.kept.clear()
        host = parts.hostname if parts.hostname in HOSTS else HOST
        query = f"?{names.query(parts.query, self._filter)}" if parts.query else ""
        self._is_refusal = exchange.status >= 400
        member = "metadata" if parts.path.endswith("/setMetadata") else ""
        body = self._body(exchange.body, exchange.headers, member, is_yours=True)
        path, headers = names.path(parts.path), self._headers(exchange.headers)
        self._sent = frozenset(it for it in names.recent if not _SHORT.fullmatch(it))
        return exchange._replace(
            url=f"https://{host}{path}{query}",
            headers=headers,
            body=body,
            answer_headers=self._headers(exchange.answer_headers),
            answer=self._body(exchange.answer, exchange.answer_headers, "", is_yours=False),
            source=f"exchange {self._count}",
        )

    def _headers(self, headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        found = ((name, self._field(name.lower(), value)) for name, value in headers)
        return [(name, value) for name, value in found if value is not None]

    def _field(self, name: str, value: str) -> str | None:
        if name == "authorization":
            return self._authorization(value)
        if name == "idempotency-key":
            return self._stand_ins.text(value)
        if not _KEPT.fullmatch(name):
            return None
        if name == "content-type" and value.lower().startswith("multipart/form-data"):
            return f"multipart/form-data; boundary={_BOUNDARY}"
        is_plain = any(it.fullmatch(value) for it in (_NUMBERS, _METHODS, _DATE))
        return value if is_plain or is_media_type(_CHARSET.sub("", value)) else None

    def _authorization(self, value: str) -> str:
        """Return a made-up key of the same mode, a different one for each account."""
        headers = [("Authorization", value)]
        key, scheme = key_of(headers), value.partition(" ")[0].lower()
        if key is None:
            made = f"key-{self._stand_ins.number('key', text_of(headers) or value)}"
        else:
            mode = "test" if key.is_test else "live"
            made = f"{mode}_account-{self._stand_ins.number('account', key.account)}"
        if scheme == "basic":
            return f"Basic {base64.b64encode(f'{made}:'.encode()).decode()}"
        return f"Bearer {made}" if scheme == "bearer" else made

    def _body(self, body: bytes, headers: Fields, member: str, *, is_yours: bool) -> bytes:
        if not body:
            return body
        kind = next((value for name, value in headers if name.lower() == "content-type"), "")
        if kind.lower().startswith("multipart/form-data"):
            return self._form(body, kind)
        try:
            text = body.decode()
        except UnicodeDecodeError:
            return self._file(body)
        if kind.lower().startswith("application/x-www-form-urlencoded"):
            return self._stand_ins.query(text, self._parameter).encode()
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return self._stand_ins.text(text).encode()
        try:
            return json.dumps(self._json(value, member, is_yours=is_yours)).encode()
        except RecursionError:
            return self._stand_ins.text(text).encode()

    def _form(self, body: bytes, kind: str) -> bytes:
        """Return a multipart body, without anything outside of its parts."""
        boundary = _BOUNDARY_OF.search(kind)
        parts = body.split(b"--" + to_bytes(boundary[1] if boundary else "")) if boundary else []
        made = b""
        for part in parts[1:]:
            head, _, content = part.partition(b"\r\n\r\n")
            name, file, media_type = (_in(head, it) for it in (_NAME, _FILE, _TYPE))
            if name is None:  # the end
                continue
            content = content.removesuffix(b"\r\n")
            made += f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="'.encode()
            made += self._stand_ins.parameter(name).encode() + b'"'
            if file is None:
                value = self._parameter(name, content.decode(errors="replace")).encode()
            else:
                made += f'; filename="{self._stand_ins.text(file)}"'.encode()
                value = self._file(content)
            if media_type is not None and is_media_type(media_type):
                made += f"\r\nContent-Type: {media_type}".encode()
            made += b"\r\n\r\n%b\r\n" % value
        return made + f"--{_BOUNDARY}--\r\n".encode()

    def _file(self, content: bytes) -> bytes:
        """Return the stand-in of a file's content, of the same size, since answers tell that."""
        number = self._stand_ins.number("file", hashlib.sha256(content).digest())
        return f"file-{number}".encode().ljust(len(content), b"-")[: len(content)]

    def _parameter(self, name: str, text: str) -> str:
        """Return the value of a parameter, which may be JSON."""
        if text.lstrip().startswith(("{", "[")):
            with contextlib.suppress(ValueError, RecursionError):
                return json.dumps(self._json(json.loads(text), name, is_yours=True))
        return self._stand_ins.text(text)

    def _filter(self, name: str, text: str) -> str:
        """Return the value of a parameter in a query: a token, JSON, or texts joined by commas."""
        if _COUNT.fullmatch(name) and _DIGITS.fullmatch(text):
            self._stand_ins.kept.add(text)
            return text
        if name == "next_token":
            return self._stand_ins.token(text)
        if name in _NAMES and "," in text and self._stand_ins.known(text) is not None:
            return self._stand_ins.text(text)  # a comma may belong to a name
        return ",".join(self._parameter(name, it) for it in _split(text))

    def _json(self, value: Any, name: str = "", *, is_yours: bool) -> Any:
        """Return a value with stand-ins; with ``is_yours``, unknown names have stand-ins too."""
        is_yours = is_yours or name in _YOURS
        if isinstance(value, dict):
            found = {}
            for inner, item in value.items():
                is_kept = self._stand_ins.is_name(inner) and name != "metadata"
                is_kept |= not is_yours and bool(_CODE.fullmatch(inner))
                is_kept &= self._stand_ins.known(inner) is None or self._stand_ins.is_name(inner)
                shown = inner if is_kept else self._stand_ins.text(inner)
                place = name if name == "metadata" else inner
                found[shown] = self._json(item, place, is_yours=is_yours)
            return found
        if isinstance(value, list):
            return [self._json(item, name, is_yours=is_yours) for item in value]
        if isinstance(value, str):
            is_message = name in _MESSAGES and len(value) <= _LONGEST_MESSAGE
            if self._is_refusal and is_message and not is_yours:
                return self._message(value)
            # A status that the fake does not know is worth a report, so it stays.
            is_state = not is_yours and _STATE.fullmatch(name) and _CODE_WORD.fullmatch(value)
            if is_state and self._stand_ins.known(value) is None:
                return value
            return self._stand_ins.text(value)
        if name == "metadata" and isinstance(value, int | float) and not isinstance(value, bool):
            number = self._stand_ins.number("number", (type(value), value))
            return number if isinstance(value, int) else number + 0.5
        return value

    def _message(self, text: str) -> str:
        """Return a message of the API, with stand-ins for the parts that may be yours."""
        names = self._stand_ins
        if names.is_word(text):
            return text
        if (found := _GOT.search(text)) is not None:
            try:
                got = json.dumps(self._json(json.loads(found[1]), is_yours=True))
            except (ValueError, RecursionError):  # it is cut
                got = "..."
            return f"{self._message(text[: found.start()])}(got {got})"
        parts, end = [], 0
        for found in _QUOTED.finditer(text):
            parts += [self._loose(text[end : found.start()]), self._quoted(found)]
            end = found.end()
        return "".join([*parts, self._loose(text[end:])])

    def _quoted(self, found: re.Match[str]) -> str:
        inner = found[0][1:-1]
        if found[1]:
            with contextlib.suppress(ValueError):
                inner = json.loads(found[1])
        names = self._stand_ins
        is_number = not _PLACE.search(inner) and not _FEW.fullmatch(_INDEX.sub("", inner) or "0")
        if names.known(inner) is not None or names.is_word(inner) or is_number:
            shown = names.text(inner)
        else:  # it may be the place of a member, such as metadata.name or [0].label
            shown = names.parameter(inner)
        return f"{found[0][0]}{shown}{found[0][-1]}"

    def _loose(self, text: str) -> str:
        """Return a part of a message, with stand-ins for addresses, ids and texts seen before."""
        names = self._stand_ins

        def replaced(found: re.Match[str]) -> str:
            if found[0] in self._sent:
                return names.text(found[0])
            word = found[0].rstrip(".:!?")
            if word.startswith("/"):
                return names.path(word) + found[0][len(word) :]
            is_plain = not _LETTER.search(word) or _WORD.fullmatch(word) or _FEW.fullmatch(word)
            if is_plain and (names.known(word) is None or _SHORT.fullmatch(word)):
                return found[0]
            shown = names.name(word) if _PLACE.search(word) else names.text(word)
            return shown + found[0][len(word) :]

        sent = sorted((it for it in self._sent if it in text), key=len, reverse=True)
        known = "".join(rf"(?<!\w){re.escape(it)}(?!\w)|" for it in sent)
        return re.sub(known + _LOOSE, replaced, text)
