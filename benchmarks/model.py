"""The model that all servers load: the encoder of all-MiniLM-L6-v2 with a seeded head of two labels.

MLflow's feature-extraction answers only the first text of a request, so the encoder alone would compare nothing.
"""

import logging
from pathlib import Path
from typing import Any

from demo.weights import fetch

# With this seed no text of the corpus comes within the tolerance of a tie, where rounding would choose the label.
_SEED = 5


def classifier() -> Any:
    """The model as transformers' pipeline. Raises WeightsUnavailable where the encoder can't be had."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

    # It warns that the head is new, which it is meant to be.
    logging.getLogger("transformers").setLevel(logging.ERROR)
    encoder = fetch("all-minilm-l6-v2")
    model: Any = AutoModelForSequenceClassification.from_pretrained(encoder, num_labels=2)
    torch.manual_seed(_SEED)
    # Wide enough that different texts get clearly different scores: a mixed-up answer must not pass for the right one.
    torch.nn.init.normal_(model.classifier.weight, std=1.0)
    torch.nn.init.zeros_(model.classifier.bias)
    tokenizer = AutoTokenizer.from_pretrained(encoder)
    return pipeline("text-classification", model=model.eval(), tokenizer=tokenizer, device="cpu")


def save(pipeline: Any, folder: Path) -> Path:
    """Saves the pipeline through MLflow and returns its folder."""
    import mlflow

    # It warns that the hub has no model card for a folder.
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    # Named, because MLflow would otherwise look for what the model needs by loading it again.
    mlflow.transformers.save_model(pipeline, str(folder), pip_requirements=["transformers"])
    return folder
