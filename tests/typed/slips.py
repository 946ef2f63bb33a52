"""Slips, one on each line that ends in ``# slip``. Checkers of types must mark these lines alone.

The file is never run.
"""

import datetime as dt

import fakescale as package
from fakescale import FakeFactory, FakeScale, Limits, Receiver, strategies


def of_tasks(fakescale: FakeScale) -> None:
    task = fakescale.tasks.create("imageanotation")  # slip
    task = fakescale.tasks.create("chat")
    fakescale.tasks.list(statuss="pending")  # slip
    fakescale.tasks.list(status="pendign")  # slip
    fakescale.tasks.list(status=["pending", "complete"])  # slip
    fakescale.tasks.list(type="chta")  # slip
    fakescale.tasks.list(customer_review_status="accept")  # slip
    fakescale.tasks.list(unique_id=5)  # slip
    fakescale.tasks.list(start_time=3600)  # slip
    fakescale.tasks.one(uniqueid="u")  # slip
    fakescale.tasks.audit(task, "accept")  # slip
    fakescale.tasks.audit(task)  # slip
    fakescale.tasks.audit(task, "accepted", source="custommer")  # slip
    fakescale.tasks.audit(task, accept=True)  # slip
    fakescale.tasks.complete(task, "done")  # slip
    fakescale.tasks.fail(task, 5)  # slip
    fakescale.tasks.get(5)  # slip
    fakescale.test.tasks.list(stats="pending")  # slip
    fakescale.tasks.assert_created("chta")  # slip
    fakescale.tasks.wait_for(statuss="pending")  # slip
    fakescale.tasks.wait_for(status="pendign")  # slip
    fakescale.tasks.wait_for("2")  # slip
    fakescale.tasks.drawing(task, frame="1")  # slip
    package.draw(task.id)  # slip
    print(task.staus)  # slip
    assert task.completed  # slip


def of_owners(fakescale: FakeScale) -> None:
    fakescale.projects.create("drive", type="chta")  # slip
    fakescale.projects.create("drive")  # slip
    fakescale.projects.create("drive", type="chat", rapd=True)  # slip
    fakescale.projects.set_ontology("drive", ontolgy=[])  # slip
    fakescale.batches.create(nam="b", project="drive")  # slip
    fakescale.batches.create("b")  # slip
    fakescale.batches.create("b", project="drive", calback="a@example.com")  # slip
    fakescale.batches.list(status="complete")  # slip
    fakescale.batches.list(projet="drive")  # slip
    fakescale.batches.prioritize("b", priority="high")  # slip
    fakescale.batches.pause(5)  # slip
    fakescale.tasks.delete(5)  # slip
    fakescale.deliveries.create(tsks=[])  # slip
    fakescale.deliveries.list(projct="drive")  # slip
    fakescale.datasets.create(5)  # slip
    fakescale.datasets.attach("t", 5)  # slip
    fakescale.files.list(projects="drive")  # slip
    fakescale.files.upload(b"", name="a.png")  # slip
    fakescale.files.import_file(url="https://example.com/a.png")  # slip
    fakescale.teammates.add("a@example.com", "boss")  # slip
    fakescale.teammates.invite(emails=["a@example.com"], team_role="boss")  # slip
    fakescale.studio.assign(emails=["a@example.com"], project="drive")  # slip
    fakescale.quality_tasks.create("exam", "textcollection")  # slip


def of_the_fake(fakescale: FakeScale) -> None:
    fakescale.turnaround = 3600  # slip
    fakescale.labeler = "x"  # slip
    fakescale.labeler = dict  # slip
    fakescale.advance(dys=3)  # slip
    fakescale.advance(3600)  # slip
    fakescale.advance(hours="1")  # slip
    fakescale.disable_type("chta")  # slip
    fakescale.load(5)  # slip
    fakescale.requests.list(staus=200)  # slip
    fakescale.requests.list(status="200")  # slip
    fakescale.requests.assert_sent("POST", staus=200, status="200")  # slip
    fakescale.requests.wait_for(1, staus=200)  # slip
    fakescale.callbacks.assert_delivered(count="2")  # slip
    fakescale.callbacks.assert_delivered(event="complete")  # slip
    fakescale.callbacks.wait_for(sbject="5f")  # slip
    fakescale.callbacks.redeliver("0")  # slip
    fakescale.callbacks.redeliver(0, auth_key=5)  # slip
    fakescale.callbacks.duplicate("2")  # slip
    fakescale.callbacks.delay(3600)  # slip
    fakescale.turnaround = fakescale.after_looks("3")  # slip
    fakescale.events.list(knd="task")  # slip
    fakescale.events(kind="tsk")  # slip
    fakescale.events.wait_for(timeout="1")  # slip
    fakescale.faults.add(stauts=503)  # slip
    fakescale.turnarond = dt.timedelta(hours=1)  # slip
    FakeScale(complete_after=5)  # slip
    FakeScale(limits={})  # slip
    FakeScale(sed="x")  # slip
    Limits(max_bdy=5)  # slip


def of_other_fixtures(fakescale_factory: FakeFactory, callback_receiver: Receiver) -> None:
    with fakescale_factory(sed="x") as fake:  # slip
        fake.tasks.create("chat")
    with package.redirect(complete_after=5):  # slip
        pass
    callback_receiver.wait_for("1")  # slip
    callback_receiver.wait_fr(1)  # slip
    callback_receiver.forward_to(None, 5)  # slip
    print(callback_receiver.received[0].boddy)  # slip


def of_strategies() -> None:
    strategies.tasks("chta")  # slip
    strategies.task_objects("chat", status="done")  # slip
