"""The fair queue: order, turns, groups, and nothing lost or served twice."""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from ner_service.api.scheduler import FairQueue, Share


@dataclass
class Request:
    costs: list[int]
    group: object = "model"
    abandoned: bool = False
    served: list[int] = field(default_factory=list)


def queue(*requests: Request, tokens: int = 100, parts: int = 10, turn: int = 20) -> FairQueue:
    fair = FairQueue(tokens, parts, turn)
    for request in requests:
        fair.put(request)
    return fair


def serve(shares: list[Share[Request]]) -> list[Request]:
    for share in shares:
        share.work.served += range(share.start, share.stop)
    return [share.work for share in shares]


def test_an_empty_queue_gives_no_batch():
    assert queue().take() == []


def test_small_requests_share_a_batch_in_order_of_arrival():
    first, second = Request([5, 5]), Request([7])
    fair = queue(first, second)
    assert serve(fair.take()) == [first, second]
    assert len(fair) == 0


def test_a_big_request_lets_a_small_one_go_after_one_turn():
    big, small = Request([20] * 50), Request([5])
    fair = queue(big, small)
    assert serve(fair.take())[:2] == [big, small]
    assert small.served == [0]
    assert len(big.served) < 50


def test_a_request_that_comes_later_goes_before_the_rest_of_a_big_one():
    big = Request([20] * 50)
    fair = queue(big, tokens=20)
    serve(fair.take())
    late = Request([5])
    fair.put(late)
    serve(fair.take())
    serve(fair.take())
    assert late.served == [0]
    assert len(big.served) <= 3


def test_a_lone_big_request_fills_the_batch():
    big = Request([20] * 50)
    serve(queue(big).take())
    assert big.served == [0, 1, 2, 3, 4]


def test_a_part_that_is_longer_than_a_turn_is_served_whole():
    huge = Request([1000, 1])
    fair = queue(huge)
    serve(fair.take())
    assert huge.served == [0]
    serve(fair.take())
    assert huge.served == [0, 1]


def test_abandoned_requests_are_dropped():
    gone, alive = Request([5], abandoned=True), Request([5])
    fair = queue(gone, alive)
    assert serve(fair.take()) == [alive]
    assert gone.served == []


def test_a_batch_holds_one_group_and_the_others_keep_their_place():
    a1, b, a2, b2 = Request([5], "a"), Request([5], "b"), Request([5], "a"), Request([5], "b")
    fair = queue(a1, b, a2, b2)
    assert serve(fair.take()) == [a1, a2]
    assert serve(fair.take()) == [b, b2]


@given(
    st.lists(
        st.tuples(st.lists(st.integers(1, 60), min_size=1, max_size=12), st.sampled_from("ab")),
        max_size=12,
    )
)
def test_every_part_is_served_once_and_in_order(given_requests: list[tuple[list[int], str]]):
    requests = [Request(costs, group) for costs, group in given_requests]
    fair = queue(*requests)
    while shares := fair.take():
        assert len({share.work.group for share in shares}) == 1
        assert sum(share.stop - share.start for share in shares) <= 10
        serve(shares)
    assert all(request.served == list(range(len(request.costs))) for request in requests)
