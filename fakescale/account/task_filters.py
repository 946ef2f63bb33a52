"""The filters of the list of tasks, and its parameters."""

import enum
from collections.abc import Iterable, Mapping
from typing import TypedDict

from fakescale.account.batches import Batch
from fakescale.account.listing import (
    FLAG,
    PAGE,
    Filter,
    Parameter,
    any_of,
    one_of,
    read_names,
    read_several,
    sharing,
    since,
    until,
)
from fakescale.account.projects import Project
from fakescale.account.task import ReviewStatus as Review
from fakescale.account.task import Status
from fakescale.account.task_types import read_types
from fakescale.account.words import AnyType, Moment, ReviewStatus, TaskStatus, Texts

#: The filters of the list, by parameter. Guessed: only the filters by status refuse unknown
#: names. For the others, an unknown name matches nothing: new types keep being added.
FILTERS: Mapping[str, Filter] = {
    "start_time": since("created_at"),
    "end_time": until("created_at"),
    "completed_after": since("completed_at"),
    "completed_before": until("completed_at"),
    "updated_after": since("updated_at"),
    "updated_before": until("updated_at"),
    "status": one_of("status", tuple(Status)),
    "type": any_of("type"),
    "project": any_of("project", read_names),
    "batch": any_of("batch", read_names),
    "customer_review_status": one_of("customer_review_status", tuple(Review)),
    "unique_id": any_of("unique_id"),
    # Guessed: a task with any of the tags matches.
    "tags": sharing("tags"),
}
#: The filters of the helpers. In a helper, a type that does not exist is a slip.
HELPER_FILTERS = {
    **FILTERS,
    "type": any_of("type", lambda name, texts: read_types(name, read_several(name, texts))),
}
#: All parameters of the list.
QUERY: Mapping[str, Filter | Parameter] = {
    **FILTERS,
    **PAGE,
    "limited_response": FLAG,
    # A wrong value is refused. A right one has no effect, since no public source shows what it
    # adds to a task.
    "include_attachment_url": FLAG,
}


class TaskFilters(TypedDict, total=False):
    """The filters of ``tasks.list`` and ``tasks.one``. Several values match any of them."""

    #: Tasks created at or after this moment.
    start_time: Moment | None
    #: Tasks created at or before this moment.
    end_time: Moment | None
    #: Tasks completed at or after this moment.
    completed_after: Moment | None
    #: Tasks completed at or before this moment.
    completed_before: Moment | None
    #: Tasks updated at or after this moment.
    updated_after: Moment | None
    #: Tasks updated at or before this moment.
    updated_before: Moment | None
    #: Tasks in this status.
    status: TaskStatus | enum.Enum | Iterable[TaskStatus | enum.Enum] | None
    #: Tasks of this type.
    type: AnyType | Iterable[AnyType] | None
    #: Tasks of this project.
    project: Project | Texts | None
    #: Tasks of this batch.
    batch: Batch | Texts | None
    #: Tasks with this review status.
    customer_review_status: ReviewStatus | enum.Enum | Iterable[ReviewStatus | enum.Enum] | None
    #: The task with this unique_id.
    unique_id: Texts | None
    #: Tasks with any of these tags.
    tags: Texts | None
