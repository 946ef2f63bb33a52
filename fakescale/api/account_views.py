"""The views of what surrounds the tasks: files, team, Studio, quality tasks, results."""

import contextlib
from typing import Any

from fakescale.account.files import MAX_UPLOAD, UPLOAD
from fakescale.account.result_files import result_file
from fakescale.api.route import Call
from fakescale.values.errors import NotFound, invalid


def upload_file(call: Call) -> Any:
    files = call.world.files
    form = call.request.read_multipart(MAX_UPLOAD, files._receive)
    if "file" not in form.files:  # guessed to be 400
        raise invalid("file", "is required")
    incoming, mime_type = form.files["file"]
    options = {name: form.texts[name] for name in UPLOAD.names if name in form.texts}
    return files.upload(incoming, mime_type=mime_type, **options).to_json()


def import_file(call: Call) -> Any:
    return call.world.files.import_file(**call.body).to_json()


def list_files(call: Call) -> Any:
    return call.world.files._page(call.wanted).to_json()


def list_teammates(call: Call) -> Any:
    return [teammate.to_json() for teammate in call.world.teammates.list()]


def invite_teammates(call: Call) -> Any:
    return [teammate.to_json() for teammate in call.world.teammates.invite(**call.body)]


def set_team_role(call: Call) -> Any:
    return [teammate.to_json() for teammate in call.world.teammates.set_role(**call.body)]


def list_assignments(call: Call) -> Any:
    return call.world.studio.assignments()


def add_assignments(call: Call) -> Any:
    return call.world.studio.assign(**call.body)


def remove_assignments(call: Call) -> Any:
    return call.world.studio.unassign(**call.body)


def list_groups(call: Call) -> Any:
    return [group.to_json() for group in call.world.studio.groups(call.path["project"])]


def create_group(call: Call) -> Any:
    return call.world.studio.create_group(call.path["project"], **call.body).to_json()


def change_group(call: Call) -> Any:
    path = call.path
    return call.world.studio.change_group(path["project"], path["group"], **call.body).to_json()


def list_studio_batches(call: Call) -> Any:
    return [batch.to_json() for batch in call.world.studio.batches()]


def set_batch_groups(call: Call) -> Any:
    return call.world.studio.set_batch_groups(call.path["name"], **call.body).to_json()


def set_priorities(call: Call) -> Any:
    return [batch.to_json() for batch in call.world.studio.set_priorities(**call.body)]


def reset_priorities(call: Call) -> Any:
    return [batch.to_json() for batch in call.world.studio.reset_priorities()]


def create_evaluation_task(call: Call) -> Any:
    return _create_quality_task(call, "evaluation")


def create_training_task(call: Call) -> Any:
    return _create_quality_task(call, "training")


def _create_quality_task(call: Call, kind: str) -> Any:
    form = call.request.is_form
    tasks = call.world.quality_tasks
    return tasks._submit(kind, call.path["type"], call.body, form=form).to_json()


def list_labeler_results(call: Call) -> Any:
    return call.world.quality_tasks._page(call.wanted).to_json()


def create_audit(call: Call) -> Any:
    return call.world.audits.create(**call.body).to_json()


def list_audits(call: Call) -> Any:
    return [audit.to_json() for audit in call.world.audits.list(**call.query)]


def get_result_file(call: Call) -> Any:
    # Documented: with the live key; guessed: the other key of the account will do as well.
    for world in (call.account.world(is_test=is_test) for is_test in (False, True)):
        with contextlib.suppress(NotFound):
            task = world.tasks.get(call.path["task_id"])
            return result_file(task, call.path["uuid"])
    raise NotFound("There is no such result file.")  # guessed
