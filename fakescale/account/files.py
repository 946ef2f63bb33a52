"""The files of one world: uploads and imports."""

import builtins
import dataclasses
import hashlib
import json
import mimetypes
import random
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Required, TypedDict, Unpack

from fakescale.account.listed import Listed
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
from fakescale.account.projects import Project
from fakescale.account.words import Texts
from fakescale.values.clock import Clock, stamp
from fakescale.values.dumps import Table, to_data
from fakescale.values.errors import Conflict, invalid
from fakescale.values.frozen import EMPTY_DICT, EMPTY_LIST, FrozenDict, FrozenList
from fakescale.values.ids import TaskIds, make_uuid
from fakescale.values.schemas import Parameters, frozen_json

#: The largest upload, in bytes. Documented: 80 MB. Guessed: a MB is 2**20 bytes.
MAX_UPLOAD = 80 * 2**20

_SCHEME = "scaledata://"

# Documented. The project need not exist (guessed: the option is only for Rapid).
_OPTIONS = {
    "project_name": {"type": "string"},
    "display_name": {"type": "string"},
    "reference_id": {"type": "string"},
    # Documented: a form holds the metadata as JSON text.
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
#: The filters of the list (both names are documented). Guessed: the value of ``metadata`` is a
#: JSON object, and a file matches if it has every member of that object.
FILTERS: Mapping[str, Filter] = {
    "project": sharing("project_names", read_names),
    "metadata": including("metadata"),
}
#: All parameters of the list.
QUERY: Mapping[str, Filter | Parameter] = {**FILTERS, **PAGE}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file, uploaded or imported. Fields that are None are not printed."""

    _key = "id"

    #: The id, a UUID.
    id: str
    #: The URL by which tasks name the file. It begins with ``scaledata://``.
    attachment_url: str
    #: The time of creation, as the API prints times.
    created_at: str
    #: The time of the last change, which is the time of creation.
    updated_at: str
    #: The media type. For an import it follows from the URL, and may be None.
    mime_type: str | None = None
    #: The size in bytes; None for an import.
    size: int | None = None
    #: The names of the file's projects: one, or none.
    project_names: Sequence[str] = EMPTY_LIST
    #: The name to display. Guessed: it is printed.
    display_name: str | None = None
    #: The client's own id, unique among the files. Guessed: it is printed.
    reference_id: str | None = None
    #: The metadata, an object. Guessed: it is printed.
    metadata: Mapping[str, Any] = EMPTY_DICT
    #: The URL of an import; None for an upload. Not printed.
    file_url: str | None = None
    #: The SHA-256 digest of an upload, in hex; None for an import. Not printed.
    sha256: str | None = None
    #: The content of an upload, if ``Files.keep_content`` was set. Not printed.
    content: bytes | None = None

    def __hash__(self) -> int:
        return hash(self.id)

    def to_json(self) -> dict[str, Any]:
        """Return the file as a dict, as the API prints it."""
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
    """An upload in progress. It measures its content, and keeps the content if ``keep`` is true."""

    def __init__(self, *, keep: bool) -> None:
        #: The number of bytes so far.
        self.size = 0
        self._digest = hashlib.sha256()
        self._kept = bytearray() if keep else None

    def write(self, content: bytes) -> int:
        """Take the next bytes, and return their number.

        Raises BadRequest if the file becomes larger than ``MAX_UPLOAD``.
        """
        self.size += len(content)
        if self.size > MAX_UPLOAD:  # guessed: 400, not 413
            raise invalid("file", f"must not be larger than {MAX_UPLOAD} bytes")
        self._digest.update(content)
        if self._kept is not None:
            self._kept += content
        return len(content)

    def seek(self, position: int) -> int:
        """Do nothing; a form parser calls this to go back to the beginning of a file."""
        return position

    @property
    def sha256(self) -> str:
        """The SHA-256 digest of the content, in hex."""
        return self._digest.hexdigest()

    @property
    def content(self) -> bytes | None:
        """The content, or None if it is not kept."""
        return None if self._kept is None else bytes(self._kept)


class FileFilters(TypedDict, total=False):
    """The filters of ``files.list``."""

    #: Files of this project.
    project: Project | Texts | None
    #: Files whose metadata has every member of this object, as JSON text.
    metadata: str | None


class FileOptions(TypedDict, total=False):
    """The options of ``files.upload``."""

    #: The name of the file's project.
    project_name: str
    #: The name to show.
    display_name: str
    #: The client's own id, unique within the account's mode.
    reference_id: str
    #: The metadata, an object or its JSON text.
    metadata: Mapping[str, Any] | str


class ImportBody(TypedDict, total=False):
    """The body of ``files.import_file``: an address, and the options of ``files.upload``."""

    #: The address of the file.
    file_url: Required[str]
    #: The name of the file's project.
    project_name: str
    #: The name to show.
    display_name: str
    #: The client's own id, unique within the account's mode.
    reference_id: str
    #: The metadata, an object or its JSON text.
    metadata: Mapping[str, Any] | str


class Files(Listed[File]):
    """The files of one mode of one account.

    Iteration yields the files newest first. Every method is safe to call from any thread.
    ``upload`` and ``import_file`` take the options ``project_name``, ``display_name``,
    ``reference_id`` and ``metadata``. They raise BadRequest for a call that the API refuses,
    and Conflict if the ``reference_id`` is in use.
    """

    def __init__(self, clock: Clock, ids: TaskIds, lock: threading.RLock) -> None:
        self._clock = clock
        self._ids = ids
        self._lock = lock
        self._table = Table(File, "id", lock, 'File "{}" not found.')
        self._keeps_content = False

    @property
    def keep_content(self) -> bool:
        """Whether to keep the content of future uploads; False by default.

        A test that reads the content sets this to True. Otherwise the fake keeps only the
        size and the digest.
        """
        return self._keeps_content

    @keep_content.setter
    def keep_content(self, keep: bool) -> None:
        self._keeps_content = keep

    # For clients of the API.

    def upload(
        self,
        content: bytes | Incoming,
        /,
        *,
        mime_type: str | None = None,
        **options: Unpack[FileOptions],
    ) -> File:
        """Store ``content`` as ``POST /v1/files/upload`` does, and return the file.

        The default of ``mime_type`` is ``application/octet-stream``.
        """
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

    def import_file(self, /, **body: Unpack[ImportBody]) -> File:
        """Store the file at ``file_url`` as ``POST /v1/files/import`` does, and return it.

        The fake never fetches the file, so its size is None. The media type follows from the
        name in the URL.
        """
        given = IMPORT.read(frozen_json("value", body))
        file_url = given["file_url"]
        try:
            mime_type, _ = mimetypes.guess_type(file_url)
        except ValueError:  # from Python 3.13 on, for a malformed URL
            mime_type = None
        return self._add(given, mime_type=mime_type, file_url=file_url)

    def get(self, file_id: File | str) -> File:
        """Return the file with this id; raises NotFound if there is none."""
        return self._table.get(file_id)

    def list(self, **filters: Unpack[FileFilters]) -> list[File]:
        """Return all files that pass ``filters``, newest first.

        The filters are those of ``GET /v1/files``: ``project``, a name or several, and
        ``metadata``, a JSON object as text. Raises TypeError for any other filter, BadRequest
        for a bad value.
        """
        return self._matches(filters_query(filters, FILTERS))[::-1]

    def _page(self, query: Query) -> Page:
        """Return a page of the list."""
        matches = self._matches(query)
        docs, has_more = page(matches, query, key=_sort_key)
        return Page(docs, len(matches), query, has_more, _sort_key)

    # For tests: no client can do this.

    def _receive(self) -> Incoming:
        """Return an `Incoming` to write the content to, for ``upload``."""
        return Incoming(keep=self.keep_content)

    def __len__(self) -> int:
        return len(self._table)

    def __contains__(self, file: object) -> bool:
        return file in self._table

    # Inside.

    def _dump(self) -> builtins.list[dict[str, Any]]:
        """Return the JSON-able data that ``_restore`` takes, without the content of uploads."""
        return [to_data(dataclasses.replace(file, content=None)) for file in self._table]

    def _restore(self, data: Iterable[Mapping[str, Any]]) -> None:
        """Take over the data of ``_dump``; raises BadRequest for any other data."""
        self._table.restore(data)
        # An id is made from the digits that the URL begins with, so those are reserved.
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
                # Documented: a UUID that differs from the id. The digits before it are guessed.
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
    # Not by id, which is random: the digits in the URL ascend.
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
