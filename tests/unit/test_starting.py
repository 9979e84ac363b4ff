import gc

from ner_service.starting import everything_stays


class Cell:
    """Something that refers to itself, which the collector alone can free."""

    def __init__(self) -> None:
        self.self = self


def test_no_collection_looks_through_what_was_made():
    gc.collect()
    before = gc.get_freeze_count()
    with everything_stays():
        assert not gc.isenabled()
        made = [Cell() for _ in range(1000)]
    try:
        assert gc.isenabled()
        assert gc.get_freeze_count() >= before + len(made)
        assert not any(found is made[0] for found in gc.get_objects())
    finally:
        gc.unfreeze()
    assert any(found is made[0] for found in gc.get_objects())


def test_a_collector_that_was_off_stays_off():
    gc.disable()
    try:
        with everything_stays():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
        gc.unfreeze()
