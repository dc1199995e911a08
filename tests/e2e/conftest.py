"""What the end-to-end tests share: a model that generates for as long as a test needs."""

from pathlib import Path

import pytest
import torch
import transformers
from mlflow.models import infer_signature

from tests import tiny_models, tiny_pipelines

LONG_CONTEXT = 4096
LONG_PARAMS = {"max_new_tokens": 8, "do_sample": False, "num_beams": 1}


@pytest.fixture(scope="session")
def long_generator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved GPT-2 with no end token and room for thousands: it generates for as long as a test asks."""
    sizes = {"vocab_size": 600, "n_positions": LONG_CONTEXT, "n_embd": 32, "n_layer": 2, "n_head": 2}
    config = transformers.GPT2Config(**sizes, initializer_range=0.5, bos_token_id=0, eos_token_id=None)
    torch.manual_seed(7)
    model = transformers.GPT2LMHeadModel(config).eval()
    made = transformers.pipeline("text-generation", model=model, tokenizer=tiny_pipelines.tokenizer(bert=False))
    folder = tmp_path_factory.mktemp("models") / "long-generator"
    return tiny_models.save(made, folder, signature=infer_signature("prompt", "text", LONG_PARAMS))
