"""The calls that a client can make: what builds each one's request, where it goes, and what reads its reply.

All that the sync and the aio client have in common is here and in the modules below; the two only send.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, ParamSpec, TypeVar

from google.protobuf import descriptor_pool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from savor.client import models, replies, requests
from savor.client.errors import Internal, Status
from savor.codec import CodecError, reader

P = ParamSpec("P")
Reply = TypeVar("Reply")


@dataclass(frozen=True)
class Call(Generic[P, Reply]):
    """One RPC: its path, what builds its request, what parses a response's bytes, what reads a response."""

    path: str
    build: Callable[P, Message]
    parse: Callable[[bytes], Message]
    convert: Callable[[Message], Reply]

    def read(self, response: Message) -> Reply:
        """The reply in a response. Raises Internal where the response holds what this client does not know."""
        try:
            return self.convert(response)
        except CodecError as error:
            message = f"the reply can't be read: {error}; the server may be newer than the client"
            raise Internal(Status("INTERNAL", message, "UNREADABLE_REPLY")) from error


def serialize(request: Message) -> bytes:
    """The bytes of any request."""
    return request.SerializeToString()


def _call(method: str, build: Callable[P, Message], reply: type[Reply]) -> Call[P, Reply]:
    rpc = descriptor_pool.Default().FindMethodByName(f"savor.v1.{method}")
    path = f"/{rpc.containing_service.full_name}/{rpc.name}"
    return Call(path, build, GetMessageClass(rpc.output_type).FromString, reader(rpc.output_type, reply))


CLASSIFY_TEXT = _call("TextClassificationService.ClassifyText", requests.classify_text, replies.ClassifyTextReply)
EXTRACT_FEATURES = _call(
    "FeatureExtractionService.ExtractFeatures", requests.extract_features, replies.ExtractFeaturesReply
)
EMBED_TEXT = _call("FeatureExtractionService.EmbedText", requests.embed_text, replies.EmbedTextReply)
GENERATE_TEXT = _call("TextGenerationService.GenerateText", requests.generate_text, replies.GenerateTextReply)
STREAM_GENERATE_TEXT = _call(
    "TextGenerationService.StreamGenerateText", requests.stream_generate_text, replies.StreamGenerateTextReply
)
RECOGNIZE_SPEECH = _call(
    "SpeechRecognitionService.RecognizeSpeech", requests.recognize_speech, replies.RecognizeSpeechReply
)
LIST_MODELS = _call("ModelService.ListModels", requests.list_models, models.ListModelsReply)
GET_MODEL = _call("ModelService.GetModel", requests.get_model, models.GetModelReply)
