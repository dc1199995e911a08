"""The request of each RPC from plain Python values; what is None is left out, so that the server's default applies.

Raises TypeError and ValueError for what no request can hold, naming the argument; all else is the server's to judge.
"""

from collections.abc import Iterable, Mapping
from typing import Literal, TypeAlias

from google.protobuf.descriptor import EnumDescriptor

from savor.client.inputs import Audio, TextInput, TextPair, recordings, text_pairs, texts
from savor.client.parameters import to_message
from savor.v1 import feature_extraction_pb2 as features
from savor.v1 import model_pb2 as models
from savor.v1 import speech_recognition_pb2 as speech
from savor.v1 import text_classification_pb2 as classification
from savor.v1 import text_generation_pb2 as generation

Texts: TypeAlias = str | Iterable[str]
Parameters: TypeAlias = Mapping[str, object] | None
Pooling: TypeAlias = Literal["mean", "cls", "last"]
Timestamps: TypeAlias = Literal["none", "segment", "word", "character"]


def classify_text(
    inputs: str | TextPair | Iterable[TextInput], model: str, parameters: Parameters, top_k: int | None
) -> classification.ClassifyTextRequest:
    options = to_message(classification.TextClassificationParameters, parameters)
    return classification.ClassifyTextRequest(model=model, inputs=text_pairs(inputs), parameters=options, top_k=top_k)


def extract_features(inputs: Texts, model: str, parameters: Parameters) -> features.ExtractFeaturesRequest:
    options = to_message(features.FeatureExtractionParameters, parameters)
    return features.ExtractFeaturesRequest(model=model, inputs=texts(inputs), parameters=options)


def embed_text(
    inputs: Texts, model: str, parameters: Parameters, pooling: Pooling | None, normalize: bool | None
) -> features.EmbedTextRequest:
    return features.EmbedTextRequest(
        model=model,
        inputs=texts(inputs),
        parameters=to_message(features.FeatureExtractionParameters, parameters),
        pooling=_enum_name(features.Pooling.DESCRIPTOR, pooling),
        normalize=normalize,
    )


def generate_text(
    inputs: Texts, model: str, parameters: Parameters, stop: Texts, seed: int | None
) -> generation.GenerateTextRequest:
    return generation.GenerateTextRequest(
        model=model,
        inputs=texts(inputs),
        parameters=to_message(generation.TextGenerationParameters, parameters),
        stop=texts(stop, "stop"),
        seed=seed,
    )


def stream_generate_text(
    inputs: Texts, model: str, parameters: Parameters, stop: Texts, seed: int | None
) -> generation.StreamGenerateTextRequest:
    return generation.StreamGenerateTextRequest(
        model=model,
        inputs=texts(inputs),
        parameters=to_message(generation.TextGenerationParameters, parameters),
        stop=texts(stop, "stop"),
        seed=seed,
    )


def recognize_speech(
    inputs: Audio | Iterable[Audio], model: str, parameters: Parameters, timestamps: Timestamps | None
) -> speech.RecognizeSpeechRequest:
    return speech.RecognizeSpeechRequest(
        model=model,
        inputs=recordings(inputs),
        parameters=to_message(speech.SpeechRecognitionParameters, parameters),
        timestamps=_enum_name(speech.TimestampGranularity.DESCRIPTOR, timestamps),
    )


def list_models() -> models.ListModelsRequest:
    return models.ListModelsRequest()


def get_model(model: str) -> models.GetModelRequest:
    return models.GetModelRequest(model=model)


def _enum_name(kind: EnumDescriptor, value: str | None) -> str | None:
    """The name on the wire of a value that callers write in small letters and without prefix."""
    if value is None:
        return None
    prefix = kind.values_by_number[0].name.removesuffix("UNSPECIFIED")
    names = {each.name.removeprefix(prefix).lower(): each.name for each in kind.values if each.number}
    if value not in names:
        raise ValueError(f"{value!r} is no {kind.name}; use one of {', '.join(names)}")
    return names[value]
