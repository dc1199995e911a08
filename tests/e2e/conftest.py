"""What the end-to-end tests share: a model that generates for seconds, and the stubs of a channel."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
import torch
import transformers
from grpc_health.v1 import health_pb2_grpc
from mlflow.models import infer_signature

from savor.v1 import (
    feature_extraction_pb2_grpc,
    model_pb2_grpc,
    speech_recognition_pb2_grpc,
    text_classification_pb2_grpc,
    text_generation_pb2_grpc,
)
from tests import tiny_models

LONG_CONTEXT = 4096
LONG_PARAMS = {"max_new_tokens": 8, "do_sample": False, "num_beams": 1}


@pytest.fixture(scope="session")
def long_generator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved GPT-2 that has no end token, and room for thousands of tokens: as long a generation as a test asks for."""
    sizes = {"vocab_size": 600, "n_positions": LONG_CONTEXT, "n_embd": 32, "n_layer": 2, "n_head": 2}
    config = transformers.GPT2Config(**sizes, initializer_range=0.5, bos_token_id=0, eos_token_id=None)
    torch.manual_seed(7)
    model = transformers.GPT2LMHeadModel(config).eval()
    made = transformers.pipeline("text-generation", model=model, tokenizer=tiny_models.tokenizer(bert=False))
    folder = tmp_path_factory.mktemp("models") / "long-generator"
    return tiny_models.save(made, folder, signature=infer_signature("prompt", "text", LONG_PARAMS))


@dataclass(frozen=True)
class Stubs:
    """Every service of one channel."""

    channel: grpc.Channel
    generation: text_generation_pb2_grpc.TextGenerationServiceStub
    classification: text_classification_pb2_grpc.TextClassificationServiceStub
    features: feature_extraction_pb2_grpc.FeatureExtractionServiceStub
    speech: speech_recognition_pb2_grpc.SpeechRecognitionServiceStub
    models: model_pb2_grpc.ModelServiceStub
    health: health_pb2_grpc.HealthStub
