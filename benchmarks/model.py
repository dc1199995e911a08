"""The saved model that both servers load: the encoder of all-MiniLM-L6-v2 with a seeded head of two labels.

MLflow's feature-extraction answers only the first text of a request, so the encoder alone would compare nothing.
"""

from pathlib import Path
from typing import Any

from demo.weights import fetch

# With this seed no text of the corpus comes within the tolerance of a tie, where rounding would choose the label.
_SEED = 5

WEIGHTS = "model"
"""Where MLflow puts the weights, below the saved model's folder."""


def save(folder: Path) -> Path:
    """Saves the classifier through MLflow and returns its folder. Raises WeightsUnavailable without the encoder."""
    import mlflow

    mlflow.transformers.save_model(_classifier(fetch("all-minilm-l6-v2")), str(folder), pip_requirements=["transformers"])
    return folder


def _classifier(encoder: Path) -> Any:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

    model: Any = AutoModelForSequenceClassification.from_pretrained(encoder, num_labels=2)
    torch.manual_seed(_SEED)
    # Wide enough that different texts get clearly different scores: a mixed-up answer must not pass for the right one.
    torch.nn.init.normal_(model.classifier.weight, std=1.0)
    torch.nn.init.zeros_(model.classifier.bias)
    return pipeline("text-classification", model=model.eval(), tokenizer=AutoTokenizer.from_pretrained(encoder))
