"""Texts for property tests: any characters, and those that some rule of MLflow's, Python's or JSON's might mistake."""

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from tests.parity.asked import TableQuestions, ZeroShot

TRAPS = (
    "",
    " ",
    "\t\n",
    "  blanks around  ",
    "a\n\nb   c",
    "'quoted'",
    '"quoted"',
    "it's",
    "{prompt}",
    "{braces} {{doubled}} {",
    "{'text': 'a', 'text_pair': 'b'}",
    '["a", "b"]',
    "[]",
    "123",
    "-5",
    "1e5",
    "nan",
    "null",
    "None",
    "True",
    "a, b",
    "%s \\n \\",
    "aGVsbG8=",
    "ünïcödé",
    "日本語",
    "👩‍👩‍👧 🙂",
    "\u202etfel ot thgir",
    "e\u0301",
    "\x00\x07",
    "<b>&amp;</b>",
    "[MASK]",
    "<|end|>",
    "[CLS] [SEP] [PAD]",
)
"""Texts that mean something to somebody on the way."""

CONTEXT = "the Licensor grants You a perpetual, worldwide copyright license"

texts = st.one_of(
    st.sampled_from(TRAPS),
    st.text(max_size=10),
    st.integers().map(str),
    st.floats().map(str),
    st.text(max_size=6).map(repr),
    st.lists(st.sampled_from(CONTEXT.split()), max_size=5).map(" ".join),
)
"""Any text of a few tokens, from empty to odd."""

filled = texts.map(lambda text: f"x{text}")
"""As `texts`, and never empty."""

_few = st.lists(texts, min_size=1, max_size=3)
_distinct = st.lists(filled, min_size=1, max_size=3, unique=True)
_tables = st.dictionaries(filled, st.lists(texts, min_size=2, max_size=2), min_size=1, max_size=2)

INPUTS: Mapping[str, st.SearchStrategy[Any]] = {
    "text-classification": _few,
    "text-pairs": st.lists(st.tuples(texts, texts), min_size=1, max_size=3),
    "token-classification": _few,
    "fill-mask": st.lists(texts.map(lambda text: f"{text} [MASK]"), min_size=1, max_size=3),
    "feature-extraction": _few,
    "zero-shot-classification": st.builds(ZeroShot, _distinct, _distinct),
    "question-answering": st.lists(st.tuples(texts, filled), min_size=1, max_size=3),
    "table-question-answering": st.builds(TableQuestions, _distinct, _tables),
    "text-generation": st.lists(filled, min_size=1, max_size=2),
    "text2text-generation": st.lists(texts, min_size=1, max_size=2),
    "summarization": st.lists(texts, min_size=1, max_size=2),
    "translation": st.lists(texts, min_size=1, max_size=2),
}
"""What each door is asked. Few at a time, for they are many."""
