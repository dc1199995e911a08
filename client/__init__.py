"""A client on the stubs alone: plain Python goes in, frozen dataclasses come out, and every failure is a SavorError.

    from savor.client import connect

    with connect("localhost:8001") as client:
        reply = client.classify_text(["what a day", "oh no"], model="sentiment", top_k=2)
        reply.results[0].labels[0].label

`connect_aio` gives the same methods to asyncio.
"""

from savor.client.aio import AioClient, connect_aio
from savor.client.channel import Tls
from savor.client.errors import (
    Cancelled,
    DeadlineExceeded,
    FieldViolation,
    Internal,
    InvalidArgument,
    NotFound,
    Other,
    Overloaded,
    SavorError,
    Status,
    Unavailable,
    WrongFamily,
)
from savor.client.inputs import Pcm, TextPair, Uri
from savor.client.models import (
    GetModelReply,
    ListModelsReply,
    Model,
    ModelBackend,
    ModelLimits,
    ModelParameter,
    ModelState,
)
from savor.client.replies import (
    ClassifyTextReply,
    EmbedTextReply,
    ExtractFeaturesReply,
    FeatureExtractionResult,
    FinishReason,
    GeneratedSequence,
    GenerateTextReply,
    RecognizeSpeechReply,
    ScoredLabel,
    SpeechChunk,
    SpeechRecognitionResult,
    StreamGenerateTextReply,
    TextClassificationResult,
    TextEmbedding,
    TextGenerationDelta,
    TextGenerationResult,
    Timing,
)
from savor.client.streams import AioStream, Stream
from savor.client.sync import Client, connect
from savor.client.tensor import DataType, Tensor

__all__ = [
    "AioClient",
    "AioStream",
    "Cancelled",
    "ClassifyTextReply",
    "Client",
    "DataType",
    "DeadlineExceeded",
    "EmbedTextReply",
    "ExtractFeaturesReply",
    "FeatureExtractionResult",
    "FieldViolation",
    "FinishReason",
    "GenerateTextReply",
    "GeneratedSequence",
    "GetModelReply",
    "Internal",
    "InvalidArgument",
    "ListModelsReply",
    "Model",
    "ModelBackend",
    "ModelLimits",
    "ModelParameter",
    "ModelState",
    "NotFound",
    "Other",
    "Overloaded",
    "Pcm",
    "RecognizeSpeechReply",
    "SavorError",
    "ScoredLabel",
    "SpeechChunk",
    "SpeechRecognitionResult",
    "Status",
    "Stream",
    "StreamGenerateTextReply",
    "Tensor",
    "TextClassificationResult",
    "TextEmbedding",
    "TextGenerationDelta",
    "TextGenerationResult",
    "TextPair",
    "Timing",
    "Tls",
    "Unavailable",
    "Uri",
    "WrongFamily",
    "connect",
    "connect_aio",
]
