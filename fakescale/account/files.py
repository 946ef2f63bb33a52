"""The files of one world: uploads, known by their size and digest, and imports."""

import builtins
import dataclasses
import hashlib
import json
import mimetypes
import random
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from fakescale.account.listing import (
    PAGE,
    Filter,
    Page,
    Parameter,
    Query,
    SortKey,
    filters_query,
    including,
    page,
    read_names,
    sharing,
)
from fakescale.values.clock import Clock, stamp
from fakescale.values.dumps import Table, to_data
from fakescale.values.errors import Conflict, invalid
from fakescale.values.frozen import EMPTY_DICT, EMPTY_LIST, FrozenDict, FrozenList
from fakescale.values.ids import TaskIds, make_uuid
from fakescale.values.schemas import Parameters, frozen_json

#: The largest upload, in bytes. Documented as 80 MB; that these are binary ones is guessed.
MAX_UPLOAD = 80 * 2**20

_SCHEME = "scaledata://"

# Documented. The project need not exist (guessed: it is an option of Rapid alone).
_OPTIONS = {
    "project_name": {"type": "string"},
    "display_name": {"type": "string"},
    "reference_id": {"type": "string"},
    # Documented: a form holds it as JSON text.
    "metadata": {
        "type": ["object", "string"],
        "contentMediaType": "application/json",
        "contentSchema": {"type": "object"},
    },
}
UPLOAD = Parameters({"type": "object", "properties": _OPTIONS})
IMPORT = Parameters(
    {
        "type": "object",
        "required": ["file_url"],
        "properties": {"file_url": {"type": "string", "format": "url"}, **_OPTIONS},
    }
)
#: The filters of the list (both names are documented). Guessed: that the metadata is JSON in
#: a text, of which a file must have every member.
FILTERS: Mapping[str, Filter] = {
    "project": sharing("project_names", read_names),
    "metadata": including("metadata"),
}
#: All parameters of the list.
QUERY: Mapping[str, Filter | Parameter] = {**FILTERS, **PAGE}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file. A task names it by its ``attachment_url``. ``None`` is not printed."""

    id: str
    attachment_url: str
    created_at: str
    updated_at: str
    mime_type: str | None = None
    size: int | None = None
    project_names: Sequence[str] = EMPTY_LIST
    #: That the following three are printed is guessed.
    display_name: str | None = None
    reference_id: str | None = None
    metadata: Mapping[str, Any] = EMPTY_DICT
    #: The following are not printed. An import has the URL, an upload the other two.
    file_url: str | None = None
    sha256: str | None = None
    content: bytes | None = None

    def __hash__(self) -> int:
        return hash(self.id)

    def to_json(self) -> dict[str, Any]:
        """Return the file as the API prints it."""
        printed = {
            "id": self.id,
            "attachment_url": self.attachment_url,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
            "mime_type": self.mime_type,
            "size": self.size,
            "project_names": self.project_names,
            "display_name": self.display_name,
            "reference_id": self.reference_id,
            "metadata": self.metadata,
        }
        return {name: value for name, value in printed.items() if value is not None}


class Incoming:
    """An upload on its way: it measures its content, and drops it unless ``keep``."""

    def __init__(self, *, keep: bool) -> None:
        self.size = 0
        self._digest = hashlib.sha256()
        self._kept = bytearray() if keep else None

    def write(self, content: bytes) -> int:
        """Take the next bytes; raises BadRequest when the file gets too large."""
        self.size += len(content)
        if self.size > MAX_UPLOAD:  # guessed to be 400, not 413
            raise invalid("file", f"must not be larger than {MAX_UPLOAD} bytes")
        self._digest.update(content)
        if self._kept is not None:
            self._kept += content
        return len(content)

    def seek(self, position: int) -> int:
        """Do nothing; a parser calls this to go back to the beginning of a file."""
        return position

    @property
    def sha256(self) -> str:
        """The digest of the content, in hex."""
        return self._digest.hexdigest()

    @property
    def content(self) -> bytes | None:
        """The content, if it is kept."""
        return None if self._kept is None else bytes(self._kept)


class Files:
    """The files of one mode of one account. Iterating gives them newest first.

    Every method is safe to call from any thread. Those that make a file take its
    ``project_name``, ``display_name``, ``reference_id`` and ``metadata``, and raise
    BadRequest for what the API refuses, Conflict when the ``reference_id`` is in use.
    """

    def __init__(self, clock: Clock, ids: TaskIds, lock: threading.RLock) -> None:
        self._clock = clock
        self._ids = ids
        self._lock = lock
        self._table = Table(File, "id", lock, 'File "{}" not found.')
        self._keeps_content = False

    @property
    def keep_content(self) -> bool:
        """Whether the content of uploads is kept from now on.

        A test that looks at the content sets it; otherwise only size and digest are known.
        """
        return self._keeps_content

    @keep_content.setter
    def keep_content(self, keep: bool) -> None:
        self._keeps_content = keep

    # For clients of the API.

    def upload(
        self, content: bytes | Incoming, /, *, mime_type: str | None = None, **options: Any
    ) -> File:
        """Store a file as ``POST /v1/files/upload`` does."""
        if isinstance(content, Incoming):
            incoming = content
        else:
            incoming = self._receive()
            incoming.write(content)
        return self._add(
            options,
            mime_type=mime_type or "application/octet-stream",
            size=incoming.size,
            sha256=incoming.sha256,
            content=incoming.content,
        )

    def import_file(self, /, **body: Any) -> File:
        """Store the file at ``file_url`` as ``POST /v1/files/import`` does.

        The file is never fetched, so its size is not known. Its type follows from its name.
        """
        given = IMPORT.read(frozen_json("value", body))
        file_url = given["file_url"]
        return self._add(given, mime_type=mimetypes.guess_type(file_url)[0], file_url=file_url)

    def get(self, file_id: str) -> File:
        """Return the file with this id; raises NotFound for an unknown one."""
        return self._table.get(file_id)

    def list(self, **filters: Any) -> list[File]:
        """Return all files that pass ``filters``, newest first.

        The filters are those of ``GET /v1/files``. Raises TypeError for the name of none.
        """
        return self._matches(filters_query(filters, FILTERS))[::-1]

    def _page(self, query: Query) -> Page:
        """Return the page of the list that was asked for."""
        matches = self._matches(query)
        docs, has_more = page(matches, query, key=_sort_key)
        return Page(docs, len(matches), query, has_more, _sort_key)

    # For tests: no client can do this.

    def _receive(self) -> Incoming:
        """Return an ``Incoming`` to write an upload to, which ``upload`` then takes."""
        return Incoming(keep=self.keep_content)

    def __iter__(self) -> Iterator[File]:
        return iter(self.list())

    def __len__(self) -> int:
        return len(self._table)

    # Inside.

    def _dump(self) -> builtins.list[dict[str, Any]]:
        """Return the JSON-able data that ``_restore`` takes, without the content of uploads."""
        return [to_data(dataclasses.replace(file, content=None)) for file in self._table]

    def _restore(self, data: Iterable[Mapping[str, Any]]) -> None:
        """Take over the data of ``_dump``; raises BadRequest if it is none."""
        self._table.restore(data)
        # An id comes from the digits that its URL begins with.
        urls = [file.attachment_url for file in self._table]
        self._ids.reserve(url.removeprefix(_SCHEME).partition("/")[0] for url in urls)

    def _matches(self, query: Query) -> builtins.list[File]:
        return query.select(sorted(self._table, key=_sort_key))

    def _add(self, options: Mapping[str, Any], **facts: Any) -> File:
        given = UPLOAD.read(frozen_json("value", options))
        metadata = _metadata(given.get("metadata", EMPTY_DICT))
        # Guessed: an empty text counts as absent.
        texts = {name: given.get(name) or None for name in ("display_name", "reference_id")}
        project = given.get("project_name")
        with self._lock:
            reference = texts["reference_id"]
            if reference and any(it.reference_id == reference for it in self._table):
                # Documented, except the text.
                raise Conflict(f'The reference_id ("{reference}") is already used.')
            now = self._clock.now()
            made_of = self._ids.make(now)
            rng = random.Random(made_of)
            file = File(
                id=make_uuid(rng),
                # Documented: another UUID than the id. The digits before it are guessed.
                attachment_url=f"{_SCHEME}{made_of}/{make_uuid(rng)}",
                created_at=stamp(now),
                updated_at=stamp(now),
                project_names=FrozenList([project] if project else []),
                metadata=metadata,
                **texts,
                **facts,
            )
            return self._table.put(file)


def _sort_key(file: File) -> SortKey:
    # Not the id, which is at random: the digits of the URL ascend.
    return file.created_at, file.attachment_url


def _metadata(value: Any) -> FrozenDict:
    metadata = value
    if isinstance(value, str):
        try:
            metadata = json.loads(value or "{}")
        except (ValueError, RecursionError) as error:
            raise invalid("metadata", f"must be valid JSON: {error}", value) from None
    frozen = frozen_json("metadata", metadata)
    if not isinstance(frozen, FrozenDict):
        raise invalid("metadata", "must be of type object", value)
    return frozen
