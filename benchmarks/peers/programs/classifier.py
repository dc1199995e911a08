"""What a peer runs that brings no model of its own: the exported graph in ONNX Runtime, behind the fast tokenizer.

It runs in the peer's environment, beside the peer's own program, so it imports nothing of this project.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer  # type: ignore[import-untyped]


class Classifier:
    """A graph of text classification, exported into a folder with its tokenizer and its configuration."""

    def __init__(self, folder: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # Lengths differ from batch to batch: what is kept for one would not be used again.
        options.enable_mem_pattern = False
        self._session = onnxruntime.InferenceSession(
            str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
        )
        self._inputs = {given.name for given in self._session.get_inputs()}
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        # Padding to a fixed length, where the file asks for one, would make every text as long as the longest.
        self._tokenizer.enable_padding()
        # As in transformers, whose configurations leave out the labels that nobody named.
        self._labels: dict[str, str] = json.loads((folder / "config.json").read_text()).get("id2label", {})

    def __call__(self, texts: Sequence[str]) -> list[tuple[str, float]]:
        """The best label of each text and its probability; all texts run as one padded batch."""
        encodings = self._tokenizer.encode_batch(list(texts))
        arrays = {
            "input_ids": [encoding.ids for encoding in encodings],
            "attention_mask": [encoding.attention_mask for encoding in encodings],
            "token_type_ids": [encoding.type_ids for encoding in encodings],
        }
        feed = {name: np.array(rows, np.int64) for name, rows in arrays.items() if name in self._inputs}
        (logits,) = self._session.run(["logits"], feed)
        exponents = np.exp(logits - logits.max(axis=-1, keepdims=True))
        scores = exponents / exponents.sum(axis=-1, keepdims=True)
        return [(self._label(int(row.argmax())), float(row.max())) for row in scores]

    def _label(self, number: int) -> str:
        return self._labels.get(str(number), f"LABEL_{number}")
