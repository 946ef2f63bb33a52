"""The words that arguments may be, as `Literal`s, so that an editor marks any other word.

A test compares each `Literal` with the data or the table that it repeats.
"""

import datetime as dt
import enum
from collections.abc import Iterable
from typing import Literal

#: The types of tasks.
TaskType = Literal[
    "imageannotation",
    "annotation",
    "polygonannotation",
    "lineannotation",
    "pointannotation",
    "cuboidannotation",
    "segmentannotation",
    "laneannotation",
    "videoannotation",
    "videoplaybackannotation",
    "videoboxannotation",
    "videocuboidannotation",
    "federal2dvideoannotation",
    "cruisecontrol",
    "lidarannotation",
    "lidarsegmentation",
    "lidarlinking",
    "lidartopdown",
    "sensorfusion",
    "multistage",
    "textcollection",
    "namedentityrecognition",
    "documenttranscription",
    "documentmodel",
    "categorization",
    "comparison",
    "transcription",
    "datacollection",
    "audiotranscription",
    "phonecall",
    "chat",
    "chatexperimental",
    "chatlite",
    "multichat",
]
#: The name of a task type, or an alias of it.
TypeName = Literal[TaskType, "categorize"]
#: The statuses of a task.
TaskStatus = Literal["pending", "completed", "canceled", "error"]
#: The results of an audit.
AuditResult = Literal["accepted", "fixed", "commented", "rejected"]
#: The review statuses of a task: the results of audits, and ``pending``.
ReviewStatus = Literal[AuditResult, "pending"]
#: The sources of audits.
AuditSource = Literal["customer", "scale"]
#: The statuses of a batch; the last two come from v2.
BatchStatus = Literal["staging", "in_progress", "completed", "paused", "cancelled"]
#: The kinds of quality tasks.
QualityKind = Literal["evaluation", "training"]
#: The roles of teammates.
Role = Literal["labeler", "member", "manager", "admin"]

#: The value of a filter by time: a moment, a day, or either as text in ISO 8601.
Moment = str | dt.date
#: The value of a filter by text: one text, or several.
Texts = str | Iterable[str]
#: A word may also be a member of an enum, for example of the official client's ``TaskType``.
AnyType = TypeName | enum.Enum
