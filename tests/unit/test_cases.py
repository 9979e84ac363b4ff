from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import tag_sequences
from training.cases import TextSpan, make_case
from training.documents import Sentence

DOCUMENT = [
    Sentence(("Ines", "Costa", "did", "n't", "go", "."), ("I-PER", "I-PER", "O", "O", "O", "O")),
    Sentence(("(", "Lisbon", ")"), ("O", "I-LOC", "O")),
]


def surfaces(case):
    return [(case.text[span.start : span.end], span.label) for span in case.gold]


def test_gold_tokens_are_joined_by_single_spaces():
    case = make_case(DOCUMENT, "IOB1")
    assert case.text == "Ines Costa did n't go . ( Lisbon )"
    assert surfaces(case) == [("Ines Costa", "PER"), ("Lisbon", "LOC")]
    assert case.sentences == (0, 6)


def test_raw_text_is_written_as_english_with_a_line_a_sentence():
    case = make_case(DOCUMENT, "IOB1", tokens="raw")
    assert case.text == "Ines Costa didn't go.\n(Lisbon)"
    assert surfaces(case) == [("Ines Costa", "PER"), ("Lisbon", "LOC")]


def test_change_of_words_keeps_the_spacing_of_the_words_as_they_were():
    sentence = Sentence(("US$", "5", "İzmir", "STRASSE"), ("O", "O", "B-LOC", "O"))
    lowered = make_case([sentence], "BIO", tokens="raw", change=str.lower)
    assert lowered.text == "us$5 i̇zmir strasse"
    assert surfaces(lowered) == [("i̇zmir", "LOC")]
    # A letter that becomes two moves all that follows.
    street = Sentence(("Straße", "Ines"), ("O", "B-PER"))
    assert surfaces(make_case([street], "BIO", change=str.upper)) == [("INES", "PER")]


def test_labels_choose_and_rename():
    assert surfaces(make_case(DOCUMENT, "IOB1", labels={"PER": "person"})) == [
        ("Ines Costa", "person")
    ]


def test_ill_formed_gold_is_read_as_conlleval_reads_it():
    sentence = Sentence(("a", "b", "c"), ("I-PER", "I-LOC", "I-LOC"))
    assert make_case([sentence], "BIO").gold == (TextSpan(0, 1, "PER"), TextSpan(2, 5, "LOC"))


@given(
    st.lists(tag_sequences("BI").filter(bool), min_size=1, max_size=4),
    st.sampled_from(("gold", "raw")),
    st.lists(
        st.sampled_from(["Ines", ".", "(", '"', "n't", "'s", "/", "a b", "é", "$"]), min_size=1
    ),
)
def test_words_stand_where_they_are_said_to(sequences, tokens, vocabulary):
    document = [
        Sentence(tuple(vocabulary[i % len(vocabulary)] for i in range(len(tags))), tuple(tags))
        for tags in sequences
    ]
    case = make_case(document, "BIO", tokens=tokens)
    words = [word for sentence in document for word in sentence.tokens]
    assert [case.word(index) for index in range(len(case.words))] == words
    bounds = {start for start, _ in case.words}, {end for _, end in case.words}
    assert all(span.start in bounds[0] and span.end in bounds[1] for span in case.gold)
