"""A thousand hostile requests over real sockets; `make soak` sends twenty times as many."""

from tests.soak.fuzz import fuzz
from tests.soak.hostile import KINDS, attacks

MEBIBYTE = 2**20


def test_hostile_requests_fail_nothing_hang_nothing_and_leave_nothing_behind():
    run = fuzz(1_000)
    assert run.wrong == []
    assert run.log == []
    assert "internal_error" not in run.outcomes
    assert sum(run.bodies.values()) == 1_000
    assert run.files[-1] <= run.files[0]
    # From the first tenth on, when buffers have grown to the largest body.
    assert run.memory[-1] - run.memory[1] < 16 * MEBIBYTE


def test_a_seed_gives_the_same_requests_and_every_kind_alike():
    first, again, other = ([make() for make in attacks(seed, 64)] for seed in (1, 1, 2))
    assert first == again != other
    assert [attack.kind for attack in first] == [kind for kind, _ in KINDS] * 4
