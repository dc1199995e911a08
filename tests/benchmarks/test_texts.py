from itertools import islice

from benchmarks import texts


def test_the_corpus_holds_different_texts_of_mixed_lengths() -> None:
    corpus = texts.corpus()
    words = [len(text.split()) for text in corpus]
    assert len(set(corpus)) == len(corpus) == 480
    assert min(words) < 5
    assert max(words) > 70


def test_one_seed_gives_one_order() -> None:
    assert list(islice(texts.endless(3), 600)) == list(islice(texts.endless(3), 600))


def test_another_seed_gives_another_order() -> None:
    assert list(islice(texts.endless(3), 20)) != list(islice(texts.endless(4), 20))


def test_each_round_holds_every_text_once_in_an_order_of_its_own() -> None:
    stream = texts.endless(0)
    first, second = list(islice(stream, 480)), list(islice(stream, 480))
    assert sorted(first) == sorted(second) == sorted(texts.corpus())
    assert first != second
