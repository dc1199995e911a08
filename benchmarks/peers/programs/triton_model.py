"""Triton's Python backend: `model.py` of a model that takes texts and gives the best label of each with its score.

A batch that Triton has formed runs as one; each request's part of it goes back to that request.
"""

from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as triton  # type: ignore[import-not-found]
from classifier import Classifier  # type: ignore[import-not-found]


class TritonPythonModel:
    """What Triton looks for in the file."""

    def initialize(self, arguments: dict[str, str]) -> None:
        """Loads the graph, whose folder is the model's parameter `folder`."""
        import json

        parameters = json.loads(arguments["model_config"])["parameters"]
        self._classify = Classifier(Path(parameters["folder"]["string_value"]))

    def execute(self, requests: list[Any]) -> list[Any]:
        """One response for each request."""
        asked = [triton.get_input_tensor_by_name(request, "TEXT").as_numpy().reshape(-1) for request in requests]
        answers = self._classify([text.decode() for texts in asked for text in texts])
        ends = list(accumulate(len(texts) for texts in asked))
        return [_response(answers[start:end]) for start, end in zip([0, *ends], ends, strict=False)]


def _response(answers: list[tuple[str, float]]) -> Any:
    labels = np.array([[label.encode()] for label, _ in answers], np.object_)
    scores = np.array([[score] for _, score in answers], np.float32)
    return triton.InferenceResponse([triton.Tensor("LABEL", labels), triton.Tensor("SCORE", scores)])
