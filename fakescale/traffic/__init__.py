"""Requests that came, callbacks that go, and faults."""
