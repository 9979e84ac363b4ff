import numpy as np
import pytest

from ner_service.inference.states import SlotStates
from ner_service.memory.electorate import Electorate, unit
from ner_service.memory.votes import KNOWN, NEW, TRAINED, Kernel, Voting

WIDTH = 16
VOTING = Voting(
    forms=(Kernel(30, 0.01), Kernel(3, 0.1), Kernel(100, 1.0)), states=Kernel(0, 1), audible=0.05
)


def states(count: int, seed: int = 1) -> np.ndarray:
    return unit(np.random.default_rng(seed).normal(size=(count, WIDTH)).astype(np.float32))


def taught(kind: int, tags: list[int], at: np.ndarray, *, foreign: bool = False) -> Electorate:
    electorate = Electorate()
    count = len(tags)
    electorate.add(
        ["toy"] * count,
        at,
        tags=np.array(tags),
        kinds=np.full(count, kind),
        foreign=np.full(count, foreign),
    )
    return electorate


def voters(
    electorate: Electorate, state: np.ndarray, certainty: float, voting: Voting = VOTING
) -> list[int]:
    best, certainty = (0, certainty) if certainty >= 0.5 else (1, 1 - certainty)
    ballot = electorate.ballot(
        np.array([0]),
        electorate.forms.find(["Toy"]),
        state[None],
        np.array([best]),
        np.array([certainty]),
        voting,
    )
    return sorted(ballot.entries.tolist())


def test_sure_token_asks_where_a_dissenter_is_near() -> None:
    at = states(2)
    electorate = taught(TRAINED, [1, 0], at)
    assert voters(electorate, at[0], 0.99) == [0]
    assert voters(electorate, at[1], 0.99) == []  # near the one that agrees
    assert voters(electorate, at[1], 0.6) == [1]


def test_sure_token_asks_about_a_form_the_model_never_saw() -> None:
    at = states(2)
    assert voters(taught(NEW, [1, 0], at), at[1], 0.99) == [0, 1]
    assert voters(taught(TRAINED, [1, 0], at, foreign=True), at[1], 0.99) == [0, 1]


def test_sure_token_whose_form_agrees_asks_nobody() -> None:
    at = states(1)
    assert voters(taught(NEW, [0], at), at[0], 0.99) == []


def test_dissenters_count_from_when_they_are_taught_until_they_are_forgotten() -> None:
    at = states(3)
    electorate = taught(TRAINED, [0, 0], at[:2])
    assert voters(electorate, at[2], 0.99) == []
    (number,) = electorate.add(
        ["TOY"], at[2:], tags=np.array([1]), kinds=np.array([TRAINED]), foreign=np.array([False])
    )
    assert voters(electorate, at[2], 0.99) == [number]
    electorate.remove(np.array([number]))
    assert voters(electorate, at[2], 0.99) == []


@pytest.mark.parametrize("kind", [TRAINED, KNOWN, NEW])
def test_votes_that_are_left_out_weigh_next_to_nothing(kind: int) -> None:
    at, asked = states(24), states(40, seed=2)
    electorate = taught(kind, [1, 0] * 12, at)
    all_voting = Voting(forms=VOTING.forms, states=VOTING.states, sure=1.1, least=0.0)
    slots, forms = np.arange(40), electorate.forms.find(["toy"] * 40)
    model = np.zeros(40, dtype=np.int64), np.full(40, 0.5)
    whole = electorate.ballot(slots, forms, asked, *model, all_voting)
    fewer = electorate.ballot(slots, forms, asked, *model, VOTING)
    kept = set(zip(fewer.rows.tolist(), fewer.entries.tolist(), strict=True))
    for row, entry, weight in zip(whole.rows, whole.entries, whole.weights, strict=True):
        assert (int(row), int(entry)) in kept or weight < VOTING.least


def test_tokens_that_were_forgotten_do_not_vote() -> None:
    at = states(2)
    electorate = taught(NEW, [1, 1], at)
    electorate.remove(np.array([0]))
    assert voters(electorate, at[0], 0.5) == [1]


def test_nobody_votes_among_none() -> None:
    assert voters(Electorate(), states(1)[0], 0.5) == []


def test_states_of_slots_are_found_in_whichever_batch_they_are() -> None:
    first, second = states(6), states(3, seed=2)
    places = np.array([7, 0, 5, 6, 8, 2])
    found = SlotStates((first, second), (0, 6), places)
    wanted = np.concatenate([first, second])[places]
    np.testing.assert_array_equal(found[np.arange(6)], wanted)
    np.testing.assert_array_equal(found[np.array([4, 0])], wanted[[4, 0]])
    assert found[np.zeros(0, dtype=np.int64)].shape == (0, WIDTH)
    alone = SlotStates((first,), (0,), places[1:3])
    np.testing.assert_array_equal(alone[np.array([1])], first[5:6])
