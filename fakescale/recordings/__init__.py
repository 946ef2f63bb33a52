"""Recordings of the API: read, redacted, imported, and made."""
