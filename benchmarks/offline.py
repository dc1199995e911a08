"""The compiled model without a server, in a process of its own: the limit of what a server of it can reach.

`python -m benchmarks.offline GRAPH TOKENIZER THREADS` takes orders as lines of JSON and answers each with one. It runs
the very file that the server runs, in ONNX Runtime, behind the bare fast tokenizer: with less work it can't be done.
"""

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import texts


class Offline:
    """A graph of text classification with its tokenizer."""

    def __init__(self, graph: Path, tokenizer: Path, threads: int) -> None:
        import onnxruntime
        from tokenizers import Tokenizer  # type: ignore[import-untyped]

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.enable_mem_pattern = False
        self._session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
        self._inputs = {given.name for given in self._session.get_inputs()}
        self._tokenizer = Tokenizer.from_file(str(tokenizer))
        self._tokenizer.no_padding()

    def batches(self, size: int, count: int, seconds: float) -> float:
        """Texts per second: some of the corpus over and over, tokenised, sorted by length, in batches of one size.

        Each time they are run to the last, which is the longest.
        """
        corpus = list(texts.corpus()[:: len(texts.corpus()) // count])
        begun_s, done = time.perf_counter(), 0
        while not done or time.perf_counter() - begun_s < seconds:
            ordered = sorted(self._tokenizer.encode_batch(corpus), key=lambda encoding: len(encoding.ids))
            for start in range(0, len(ordered), size):
                done += len(self._run(ordered[start : start + size]))
        return done / (time.perf_counter() - begun_s)

    def each(self, asked: Sequence[str]) -> list[dict[str, Any]]:
        """Each text alone, one after another: its best label, its score and the seconds that took."""
        answers = []
        for text in asked:
            begun_s = time.perf_counter()
            (scores,) = self._run([self._tokenizer.encode(text)])
            label = int(scores.argmax())
            taken_s = time.perf_counter() - begun_s
            answers.append({"label": f"LABEL_{label}", "score": float(scores[label]), "seconds": taken_s})
        return answers

    def _run(self, encodings: Sequence[Any]) -> Any:
        longest = max(len(encoding.ids) for encoding in encodings)
        arrays = {name: np.zeros((len(encodings), longest), np.int64) for name in self._inputs}
        for row, encoding in enumerate(encodings):
            values = {"input_ids": encoding.ids, "attention_mask": encoding.attention_mask}
            for name, array in arrays.items():
                array[row, : len(encoding.ids)] = values.get(name, encoding.type_ids)
        (logits,) = self._session.run(["logits"], arrays)
        exponents = np.exp(logits - logits.max(axis=-1, keepdims=True))
        return exponents / exponents.sum(axis=-1, keepdims=True)


def main(graph: str, tokenizer: str, threads: str) -> None:
    """Takes orders until there are no more: `{"do": "batches" or "each", ...}` with the method's arguments."""
    offline = Offline(Path(graph), Path(tokenizer), int(threads))
    methods: Mapping[str, Callable[..., Any]] = {"batches": offline.batches, "each": offline.each}
    for line in sys.stdin:
        order = json.loads(line)
        answer = methods[order.pop("do")](**order)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
