"""Tests of whether a server behaves like the API.

``pytest --pyargs fakescale.contract`` tests a fake that it starts itself. ``--contract-url``
names another server; a server that is not a fakescale also needs ``--contract-key``. The tests
need the extra ``contract``.
"""
