from training.documents import Sentence
from training.vocabulary import build_vocabulary, count_words


def documents(*sentences: str) -> list[list[Sentence]]:
    split = [tuple(sentence.split()) for sentence in sentences]
    return [[Sentence(tokens, ("O",) * len(tokens)) for tokens in split]]


def test_words_are_listed_by_falling_frequency_then_alphabet():
    vocabulary = build_vocabulary(count_words(documents("b a b", "c a b")), min_word_count=1)
    assert vocabulary.words == ("b", "a", "c")
    assert vocabulary.word_ids == {"b": 2, "a": 3, "c": 4}


def test_rare_words_have_no_place_of_their_own():
    vocabulary = build_vocabulary(count_words(documents("b a b", "c a")), min_word_count=2)
    assert vocabulary.words == ("a", "b")


def test_characters_count_as_often_as_their_words():
    vocabulary = build_vocabulary(count_words(documents("ab ab xy")), min_word_count=1)
    assert vocabulary.characters == ("a", "b")


def test_shapes_that_occur_with_three_words_are_kept():
    counts = count_words(documents("a bb ccc A 1", "a a a a A"))
    vocabulary = build_vocabulary(counts, min_word_count=1)
    assert vocabulary.shapes == ("x",)


def test_order_of_documents_does_not_matter():
    one = build_vocabulary(count_words(documents("b a", "c d")), min_word_count=1)
    assert one == build_vocabulary(count_words(documents("c d", "b a")), min_word_count=1)
