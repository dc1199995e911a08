"""The texts of the load, in an order that a seed fixes, so that every server gets the same ones in the same order.

480 sentences and short passages of the Jargon File, version 4.4.7 (29 Dec 2003), which is in the public domain: English
prose of 5 to 103 tokens in MiniLM's vocabulary, 26 on average. They were taken as they stand, save for the braces
around cross-references.
"""

import random
from collections.abc import Iterator
from pathlib import Path

_CORPUS = Path(__file__).with_name("jargon.txt")


def corpus() -> tuple[str, ...]:
    """Every text, each once."""
    return tuple(_CORPUS.read_text(encoding="utf-8").splitlines())


def endless(seed: int) -> Iterator[str]:
    """The corpus over and over, shuffled anew each time round."""
    texts = list(corpus())
    order = random.Random(seed)
    while True:
        order.shuffle(texts)
        yield from texts
