"""Windows of long texts: every token is in one, each knows its place, and there are never too many."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from savor.flavor.encoding import TextEncoder
from savor.flavor.errors import InvalidInput
from savor.flavor.token_windows import TokenWindow, read
from tests import tiny_pipelines

TOKENIZER = tiny_pipelines.tokenizer(bert=True)


def _ids(window: TokenWindow) -> list[int]:
    """The tokens of the text alone."""
    return [int(token) for token in window.row["input_ids"][~window.special]]


@given(st.lists(st.text(max_size=200), min_size=1, max_size=3), st.integers(0, 5), st.integers(8, 20))
def test_every_token_is_in_a_window(texts: list[str], stride: int, limit: int) -> None:
    for text, reading in zip(texts, read(texts, TextEncoder(TOKENIZER, limit), stride, 9999), strict=True):
        first, *others = map(_ids, reading.windows)
        whole = first + [token for ids in others for token in ids[stride:]]
        assert whole == TOKENIZER(text, add_special_tokens=False)["input_ids"]
        assert reading.whole
        assert max(len(window.special) for window in reading.windows) <= limit


@given(st.text(max_size=60), st.integers(0, 5))
def test_offsets_are_places_in_the_text(text: str, stride: int) -> None:
    [reading] = read([text], TextEncoder(TOKENIZER, 16), stride, 9999)
    for window in reading.windows:
        assert window.offsets is not None
        assert window.offsets.shape == (len(window.special), 2)
        for token, (start, end) in zip(_ids(window), window.offsets[~window.special], strict=True):
            # A part of a character has the place of the whole of it.
            assert TOKENIZER.decode([token]) == text[start:end] or "\ufffd" in TOKENIZER.decode([token])


def test_without_a_stride_the_first_window_alone() -> None:
    short, long = read(["a", "word " * 99], TextEncoder(TOKENIZER, 16), None, 1)
    assert [short.whole, long.whole] == [True, False]
    assert [len(reading.windows) for reading in (short, long)] == [1, 1]
    assert len(long.windows[0].special) == 16


def test_as_many_windows_as_there_may_be() -> None:
    texts = ["a", "word " * 33]
    windows = sum(len(reading.windows) for reading in read(texts, TextEncoder(TOKENIZER, 16), 13, 9999))
    assert windows > 50
    with pytest.raises(InvalidInput, match=r"inputs: are \d+ windows; this server takes 50"):
        read(texts, TextEncoder(TOKENIZER, 16), 13, 50)


def test_a_stride_leaves_room_in_its_window() -> None:
    encoder = TextEncoder(TOKENIZER, 16)
    assert read(["a"], encoder, 13, 1)[0].whole
    with pytest.raises(InvalidInput, match=r"parameters\.stride: is 14; a window has 14 tokens of the text"):
        read(["a"], encoder, 14, 1)
