"""Pictures of responses, as SVG: pure functions of JSON data.

Everything that is drawn came from a client or a test, so it may be anything. A member of an
unexpected kind counts as missing, and an object without a place is only listed.
"""
