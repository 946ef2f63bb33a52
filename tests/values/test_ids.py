import datetime as dt

from fakescale.values.ids import TaskIds

NOW = dt.datetime(2021, 6, 29, 20, 21, 53, tzinfo=dt.UTC)


def test_an_id_is_24_hex_digits_and_begins_with_the_second() -> None:
    task_id = TaskIds().make(NOW)
    assert len(task_id) == 24
    assert int(task_id[:8], 16) == NOW.timestamp()
    assert task_id == f"{int(task_id, 16):024x}"


def test_ids_ascend_and_do_not_repeat() -> None:
    ids = TaskIds()
    made = [ids.make(NOW + dt.timedelta(seconds=n // 100)) for n in range(1000)]
    assert made == sorted(set(made))


def test_a_seed_determines_all_but_the_second() -> None:
    one, same, other = TaskIds("a"), TaskIds("a"), TaskIds("b")
    later = NOW + dt.timedelta(days=1)
    assert [one.make(NOW)[8:] for _ in range(3)] == [same.make(later)[8:] for _ in range(3)]
    assert other.make(NOW)[8:] != TaskIds("a").make(NOW)[8:]


def test_a_clock_before_1970_or_after_2106_still_gives_ids() -> None:
    for year in (1, 1969, 2107, 9999):
        assert len(TaskIds().make(NOW.replace(year=year))) == 24
