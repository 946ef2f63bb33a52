"""Recordings of the API: read, compared, redacted, imported, and made (extra ``recordings``).

A recording is a cassette of vcrpy or of VCR for Ruby, a HAR file, or lines of JSON. The form is
recognised by the content. Only YAML needs the extra.
"""

from fakescale.recordings.comparing import compare, compare_exchanges
from fakescale.recordings.differences import Difference
from fakescale.recordings.exchanges import Recorded, Unreadable
from fakescale.recordings.importing import state_of
from fakescale.recordings.reading import in_order, read
from fakescale.recordings.recorder import record
from fakescale.recordings.redacting import redact
from fakescale.recordings.report import Compared, Report, Row
from fakescale.recordings.writing import write, write_har, write_lines

__all__ = [
    "Compared",
    "Difference",
    "Recorded",
    "Report",
    "Row",
    "Unreadable",
    "compare",
    "compare_exchanges",
    "in_order",
    "read",
    "record",
    "redact",
    "state_of",
    "write",
    "write_har",
    "write_lines",
]
