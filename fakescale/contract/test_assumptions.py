"""What we believe of the API, one question each."""

from fakescale.contract.target import Target


def test_a_task_that_nobody_made_is_not_found(api: Target) -> None:
    assert api.call("GET", f"/task/{api.task_id()}").status == 404
