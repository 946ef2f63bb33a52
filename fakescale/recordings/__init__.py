"""Recordings of the API: read, redacted, imported as state, and made (extra ``recordings``).

A recording is a cassette of vcrpy or of VCR for Ruby, a HAR file, or lines of JSON. The form is
recognised by the content. Only YAML needs the extra.
"""

from fakescale.recordings.exchanges import Recorded, Unreadable
from fakescale.recordings.importing import state_of
from fakescale.recordings.reading import in_order, read
from fakescale.recordings.recorder import record
from fakescale.recordings.redacting import redact
from fakescale.recordings.writing import write, write_har, write_lines

__all__ = [
    "Recorded",
    "Unreadable",
    "in_order",
    "read",
    "record",
    "redact",
    "state_of",
    "write",
    "write_har",
    "write_lines",
]
