"""n-best, readings, span probabilities and marginals against every path written down."""

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice, product

import numpy as np
import pytest
from hypothesis import given, settings
from numpy.typing import NDArray

from ner_service.entities import Entity
from ner_service.inference.analyser import Analyser, DecodedDocument
from ner_service.inference.analysis import Analysis, Wanted, join_analyses
from ner_service.inference.decoder import Decoder
from ner_service.inference.decoding import DecodingWeights
from ner_service.tags import Span, spans_from_tags, tag_inventory
from ner_service.text import Tokens
from ner_service.text.windows import Layout
from tests.reference import EnumeratedCRF, labellings_by_enumeration
from tests.strategies import LABELS, CRFCase, crf_cases, legality_of

Place = tuple[int, int, str]
EVERYTHING = Wanted(nbest=10, least=0.001, marginals=True)


def tempered(case: CRFCase) -> CRFCase:
    """The same case with the temperature worked in, emissions in the decoder's precision."""
    crf, temperature = case.crf, case.crf.temperature
    weights = {name: getattr(crf, name) / temperature for name in ("transitions", "start", "end")}
    return replace(
        case,
        crf=replace(crf, temperature=1.0, **weights),
        emissions=[scores / np.float32(temperature) for scores in case.emissions],
    )


def analyser_of(case: CRFCase) -> Analyser:
    crf = case.crf
    weights = DecodingWeights.build(crf.transitions, crf.start, crf.end, legality_of(case))
    return Analyser.build(crf.tags, case.scheme, weights)


def document_of(case: CRFCase, segments: list[int] | None = None) -> DecodedDocument:
    """The case's sequences as the segments of one document; a word for every slot but boundaries.

    The decoded path is the best by enumeration.
    """
    chosen = range(len(case.emissions)) if segments is None else segments
    emissions = np.concatenate([case.emissions[i] for i in chosen]).astype(np.float64)
    boundaries = np.flatnonzero(np.concatenate([case.boundaries[i] for i in chosen]))
    stops = np.cumsum([len(case.emissions[i]) for i in chosen]).tolist()
    paths = [case.crf.n_best(case.emissions[i], 1, case.boundaries[i])[0][0] for i in chosen]
    Decoder.force_boundaries(emissions, boundaries)
    count = len(emissions) - len(boundaries)
    text, tokens = Tokens.from_words([f"w{i}" for i in range(count)])
    segments_of = list(zip([0, *stops], stops, strict=False))
    layout = Layout(count, boundaries.tolist(), segments_of, [])
    document = DecodedDocument(text, tokens, layout, emissions, np.concatenate(paths), ())
    scores = [
        case.crf.span_probability(case.emissions[i], span, case.boundaries[i])
        for i, path in zip(chosen, paths, strict=True)
        for span in spans_from_tags([case.crf.tags[tag] for tag in path], case.scheme)
    ]
    spans = spans_of(case, layout, paths)
    return replace(document, entities=document.placed(spans, scores))


def spans_of(case: CRFCase, layout: Layout, paths: Sequence[NDArray[np.int64]]) -> list[Span]:
    """The spans of one path a segment, over the slots of all."""
    return [
        Span(span.start_token + start, span.end_token + start, span.label)
        for (start, _), path in zip(layout.segments, paths, strict=True)
        for span in spans_from_tags([case.crf.tags[tag] for tag in path], case.scheme)
    ]


def without_edge_boundaries(case: CRFCase) -> CRFCase:
    """Boundaries stand between sentences, so a segment neither begins nor ends with one."""
    for at in case.boundaries:
        at[0] = at[-1] = False
    return case


def places(entities: Sequence[Entity]) -> list[Place]:
    return [(e.start, e.end, e.label) for e in entities]


def enumerated(
    case: CRFCase, document: DecodedDocument, segments: list[int]
) -> dict[tuple[Place, ...], float]:
    """Every labelling of the document, as what its entities are, likeliest first."""
    parts = [case.crf.probabilities(case.emissions[i], case.boundaries[i]) for i in segments]
    found = {}
    for paths, probability in labellings_by_enumeration(parts):
        spans = spans_of(case, document.layout, paths)
        found[tuple(places(document.placed(spans, [1.0] * len(spans))))] = probability
    return found


@given(crf_cases())
@settings(max_examples=2000)
def test_everything_equals_enumeration(case: CRFCase):
    case = tempered(without_edge_boundaries(case))
    # Two segments where that leaves few enough labellings to write down.
    segments = sorted({0, len(case.emissions) - 1})
    if math.prod(len(case.crf.paths(case.emissions[i])[0]) for i in segments) > 400:
        segments = segments[-1:]
    document = document_of(case, segments)
    found = analyser_of(case).analyse(document, EVERYTHING)
    expected = enumerated(case, document, segments)

    assert places(found.nbest[0].entities) == places(document.entities)
    assert len({tuple(places(labelling.entities)) for labelling in found.nbest}) == len(found.nbest)
    assert len(found.nbest) == min(10, len(expected))
    for labelling, probability in zip(found.nbest, expected.values(), strict=False):
        assert labelling.probability == pytest.approx(probability, abs=1e-6)
        assert labelling.log_probability == pytest.approx(math.log(probability), abs=1e-5)
        own = expected[tuple(places(labelling.entities))]
        assert labelling.probability == pytest.approx(own, abs=1e-6)

    of_spans: dict[Place, float] = {}
    for spans, probability in expected.items():
        for span in spans:
            of_spans[span] = of_spans.get(span, 0.0) + probability
    listed = [*found.readings, *(e for labelling in found.nbest for e in labelling.entities)]
    for entity in listed:
        wanted = of_spans[entity.start, entity.end, entity.label]
        assert entity.score == pytest.approx(wanted, abs=1e-6)
    likely = {span for span, probability in of_spans.items() if probability >= 0.001 + 1e-9}
    read = set(places(found.readings))
    assert likely <= read <= {span for span, p in of_spans.items() if p >= 0.001 - 1e-9}

    of_tags = [case.crf.marginals(case.emissions[i], case.boundaries[i]) for i in segments]
    real = np.concatenate([~case.boundaries[i] for i in segments])
    np.testing.assert_allclose(found.marginals, np.concatenate(of_tags)[real], atol=1e-6)


def random_case(generator: np.random.Generator, lengths: list[int], scheme: str = "BIO") -> CRFCase:
    tags = tuple(tag_inventory(LABELS, scheme))
    k = len(tags)
    crf = EnumeratedCRF(
        tags, scheme, *(generator.normal(size=shape) for shape in ((k, k), (k,), (k,)))
    )
    emissions = [(generator.normal(size=(n, k)) * 3).astype(np.float32) for n in lengths]
    return CRFCase(crf, scheme, emissions, [np.zeros(n, dtype=bool) for n in lengths])


@pytest.mark.parametrize("count", [1, 2, 3, 10])
def test_labellings_of_many_segments_are_the_best_of_all_combinations(count: int):
    generator = np.random.default_rng(count)
    for _ in range(8):
        case = random_case(generator, [2, 2, 1, 1])
        found = analyser_of(case).analyse(document_of(case), Wanted(nbest=count)).nbest
        parts = [case.crf.probabilities(scores) for scores in case.emissions]
        expected = [p for _, p in islice(labellings_by_enumeration(parts), count)]
        assert [labelling.probability for labelling in found] == pytest.approx(expected)


@pytest.mark.parametrize("cuts", [[1], [2], [1, 2, 3], [2, 3]])
def test_pieces_joined_are_the_whole(cuts: list[int]):
    generator = np.random.default_rng(3)
    case = random_case(generator, [3, 3, 2, 2], scheme="IOBES")
    whole = analyser_of(case).analyse(document_of(case), EVERYTHING)
    parts, offset = [], 0
    for start, stop in zip([0, *cuts], [*cuts, 4], strict=True):
        piece = document_of(case, list(range(start, stop)))
        parts.append(moved(analyser_of(case).analyse(piece, EVERYTHING), offset))
        offset += len(piece.text) + 1
    joined = join_analyses(parts, EVERYTHING)
    assert [labelling.log_probability for labelling in joined.nbest] == pytest.approx(
        [labelling.log_probability for labelling in whole.nbest]
    )
    for one, other in zip(joined.nbest, whole.nbest, strict=True):
        assert places(one.entities) == places(other.entities)
    assert places(joined.readings) == places(whole.readings)
    np.testing.assert_allclose(joined.marginals, whole.marginals)


def moved(part: Analysis, offset: int) -> Analysis:
    """A piece's answer with offsets into the whole text, as the tagger gives for pieces."""

    def move(entities: Sequence[Entity]) -> tuple[Entity, ...]:
        return tuple(replace(e, start=offset + e.start, end=offset + e.end) for e in entities)

    labellings = tuple(replace(lab, entities=move(lab.entities)) for lab in part.nbest)
    return Analysis(move(part.readings), labellings, part.marginals)


def test_pieces_that_were_not_analysed_join_to_nothing():
    assert join_analyses([Analysis(), Analysis()], Wanted()) == Analysis()


def test_an_empty_document_has_one_labelling():
    case = random_case(np.random.default_rng(0), [1])
    layout = Layout(0, [], [], [])
    nothing = np.zeros((0, len(case.crf.tags)))
    document = DecodedDocument(
        "", Tokens([], [], []), layout, nothing, np.zeros(0, dtype=np.int64), ()
    )
    found = analyser_of(case).analyse(document, EVERYTHING)
    assert [(x.entities, x.probability) for x in found.nbest] == [((), 1.0)]
    assert found.readings == ()
    assert found.marginals is not None
    assert found.marginals.shape == (0, len(case.crf.tags))


@pytest.mark.parametrize("scheme", ["BIO", "IOBES"])
def test_a_document_with_fewer_labellings_gives_them_all(scheme: str):
    case = random_case(np.random.default_rng(1), [1, 1], scheme)
    found = analyser_of(case).analyse(document_of(case), Wanted(nbest=10)).nbest
    assert len(found) == 9  # O or one of two labels at either token
    assert sum(labelling.probability for labelling in found) == pytest.approx(1.0)
    assert len({tuple(places(labelling.entities)) for labelling in found}) == 9


def test_of_two_best_paths_the_decoded_one_comes_first():
    case = random_case(np.random.default_rng(2), [2])
    zero = {
        name: np.zeros_like(getattr(case.crf, name)) for name in ("transitions", "start", "end")
    }
    case = replace(
        case,
        crf=replace(case.crf, **zero),
        emissions=[np.zeros((2, len(case.crf.tags)), dtype=np.float32)],
    )
    document = document_of(case)
    tags = list(case.crf.tags)
    for first, second in product(("O", "B-LOC", "B-PER"), repeat=2):
        path = np.array([tags.index(first), tags.index(second)])
        spans = spans_from_tags([first, second], "BIO")
        decoded = replace(
            document, tag_ids=path, entities=document.placed(spans, [1.0] * len(spans))
        )
        best = analyser_of(case).analyse(decoded, Wanted(nbest=10)).nbest[0]
        if 0 <= best.log_probability + math.log(11) <= 1e-9 and best.entities == ():
            continue  # not among the ten of eleven equal paths
        assert places(best.entities) == places(decoded.entities)


def test_a_very_long_sentence_has_readings_in_bounded_time():
    # Equal emissions: every span is likely to go on; at each token only some can be open.
    case = random_case(np.random.default_rng(4), [1])
    tags = case.crf.tags
    count = 3000
    emissions = np.zeros((count, len(tags)))
    emissions[:, [tags.index("I-LOC"), tags.index("I-PER")]] = 8.0
    case = replace(case, emissions=[emissions], boundaries=[np.zeros(count, dtype=bool)])
    text, tokens = Tokens.from_words(["x"] * count)
    layout = Layout(count, [], [(0, count)], [])
    document = DecodedDocument(text, tokens, layout, emissions, np.zeros(count, dtype=np.int64), ())
    found = analyser_of(case).analyse(document, Wanted(least=0.001))
    assert any(reading.end - reading.start > count for reading in found.readings)
