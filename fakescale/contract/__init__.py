"""Tests of whether a server speaks the API as we know it.

``pytest --pyargs fakescale.contract`` asks a fake that it starts itself; with
``--contract-url``, and ``--contract-key`` where it is no fakescale, another server. Needs the
extra ``contract``.
"""
