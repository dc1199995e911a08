"""The calls that a client can make: what builds each one's request, where it goes, and what reads its reply.

All that the sync and the aio client have in common is here and in the modules below; the two only send.
"""

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Generic, ParamSpec, TypeVar

from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from savor.client import (
    generation_replies,
    generation_requests,
    media_replies,
    media_requests,
    model_requests,
    models,
    question_requests,
    replies,
    text_replies,
    text_requests,
)
from savor.client.errors import Internal, Status
from savor.client.requests import Request, compose
from savor.codec import CodecError, reader
from savor.v1 import (
    audio_classification_pb2,
    chat_pb2,
    feature_extraction_pb2,
    fill_mask_pb2,
    image_classification_pb2,
    model_pb2,
    pyfunc_pb2,
    question_answering_pb2,
    speech_recognition_pb2,
    table_question_answering_pb2,
    text2text_pb2,
    text_classification_pb2,
    text_generation_pb2,
    token_classification_pb2,
    zero_shot_classification_pb2,
)

P = ParamSpec("P")
Reply = TypeVar("Reply")
Sends = TypeVar("Sends", bound=Callable[..., object])


@dataclass(frozen=True)
class Call(Generic[P, Reply]):
    """One RPC: what builds its request, where that goes, what parses a response's bytes and what reads a response.

    `name` and `doc` are those of the clients' methods, which have the arguments of `build`.
    """

    name: str
    path: str
    build: Callable[P, Request]
    request: type[Message]
    parse: Callable[[bytes], Message]
    convert: Callable[[Message], Reply]
    reply: type[Reply]
    doc: str

    def message(self, request: Request) -> Message:
        """The message of a request. Raises TypeError and ValueError for what it can't hold."""
        return compose(self.request, request.fields)

    def read(self, response: Message) -> Reply:
        """The reply in a response. Raises Internal where the response holds what this client does not know."""
        try:
            return self.convert(response)
        except CodecError as error:
            message = f"the reply can't be read: {error}; the server may be newer than the client"
            raise Internal(Status("INTERNAL", message, "UNREADABLE_REPLY")) from error

    def named(self, method: Sends, returns: object, *first: str) -> Sends:
        """A client's method as people see it: name, docstring and arguments, of which `first` precede the call's."""
        own = inspect.signature(self.build)
        leading = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_ONLY) for name in ("self", *first)]
        seen: Any = method
        seen.__name__ = seen.__qualname__ = self.name
        seen.__doc__ = self.doc
        seen.__signature__ = own.replace(parameters=[*leading, *own.parameters.values()], return_annotation=returns)
        return method


def serialize(request: Message) -> bytes:
    """The bytes of any request."""
    return request.SerializeToString()


def _call(
    module: ModuleType, rpc_name: str, build: Callable[P, Request], reply: type[Reply], doc: str = ""
) -> Call[P, Reply]:
    """The call of an RPC of the one service that a module of stubs has."""
    (service,) = module.DESCRIPTOR.services_by_name.values()
    rpc = service.methods_by_name[rpc_name]
    return Call(
        name=re.sub("(?<=[a-z])(?=[A-Z])", "_", rpc.name).lower().replace("streaming_", "stream_"),
        path=f"/{service.full_name}/{rpc.name}",
        build=build,
        request=GetMessageClass(rpc.input_type),
        parse=GetMessageClass(rpc.output_type).FromString,
        convert=reader(rpc.output_type, reply),
        reply=reply,
        doc=doc or build.__doc__ or "",
    )


def _streamed(module: ModuleType, rpc_name: str, build: Callable[P, Request], reply: type[Reply]) -> Call[P, Reply]:
    """The stream of what another method gives whole, with the same arguments."""
    doc = f"""What `{build.__name__}` gives, as it comes; the arguments are the same.

    The call begins at once and ends with the stream, with closing it, or after `timeout_s`. What goes wrong is raised
    by the stream.
    """
    return _call(module, rpc_name, build, reply, doc)


CLASSIFY_TEXT = _call(
    text_classification_pb2, "ClassifyText", text_requests.classify_text, text_replies.ClassifyTextReply
)
CLASSIFY_TOKENS = _call(
    token_classification_pb2, "ClassifyTokens", text_requests.classify_tokens, text_replies.ClassifyTokensReply
)
CLASSIFY_ZERO_SHOT = _call(
    zero_shot_classification_pb2,
    "ClassifyZeroShot",
    text_requests.classify_zero_shot,
    text_replies.ClassifyZeroShotReply,
)
FILL_MASK = _call(fill_mask_pb2, "FillMask", text_requests.fill_mask, text_replies.FillMaskReply)
EXTRACT_FEATURES = _call(
    feature_extraction_pb2, "ExtractFeatures", text_requests.extract_features, text_replies.ExtractFeaturesReply
)
EMBED_TEXT = _call(feature_extraction_pb2, "EmbedText", text_requests.embed_text, text_replies.EmbedTextReply)
ANSWER_QUESTION = _call(
    question_answering_pb2, "AnswerQuestion", question_requests.answer_question, text_replies.AnswerQuestionReply
)
ANSWER_TABLE_QUESTION = _call(
    table_question_answering_pb2,
    "AnswerTableQuestion",
    question_requests.answer_table_question,
    text_replies.AnswerTableQuestionReply,
)
GENERATE_TEXT = _call(
    text_generation_pb2, "GenerateText", generation_requests.generate_text, generation_replies.GenerateTextReply
)
STREAM_GENERATE_TEXT = _streamed(
    text_generation_pb2,
    "StreamGenerateText",
    generation_requests.generate_text,
    generation_replies.StreamGenerateTextReply,
)
TRANSFORM_TEXT = _call(
    text2text_pb2, "TransformText", generation_requests.transform_text, generation_replies.TransformTextReply
)
STREAM_TRANSFORM_TEXT = _streamed(
    text2text_pb2,
    "StreamTransformText",
    generation_requests.transform_text,
    generation_replies.StreamTransformTextReply,
)
SUMMARIZE_TEXT = _call(
    text2text_pb2, "SummarizeText", generation_requests.summarize_text, generation_replies.SummarizeTextReply
)
STREAM_SUMMARIZE_TEXT = _streamed(
    text2text_pb2,
    "StreamSummarizeText",
    generation_requests.summarize_text,
    generation_replies.StreamSummarizeTextReply,
)
TRANSLATE_TEXT = _call(
    text2text_pb2, "TranslateText", generation_requests.translate_text, generation_replies.TranslateTextReply
)
STREAM_TRANSLATE_TEXT = _streamed(
    text2text_pb2,
    "StreamTranslateText",
    generation_requests.translate_text,
    generation_replies.StreamTranslateTextReply,
)
COMPLETE_CHAT = _call(chat_pb2, "CompleteChat", generation_requests.complete_chat, generation_replies.CompleteChatReply)
STREAM_COMPLETE_CHAT = _streamed(
    chat_pb2, "StreamCompleteChat", generation_requests.complete_chat, generation_replies.StreamCompleteChatReply
)
RECOGNIZE_SPEECH = _call(
    speech_recognition_pb2, "RecognizeSpeech", media_requests.recognize_speech, media_replies.RecognizeSpeechReply
)
STREAM_RECOGNIZE_SPEECH = _call(
    speech_recognition_pb2,
    "StreamingRecognizeSpeech",
    media_requests.stream_recognize_speech,
    media_replies.StreamingRecognizeSpeechReply,
)
CLASSIFY_AUDIO = _call(
    audio_classification_pb2, "ClassifyAudio", media_requests.classify_audio, media_replies.ClassifyAudioReply
)
CLASSIFY_IMAGE = _call(
    image_classification_pb2, "ClassifyImage", media_requests.classify_image, media_replies.ClassifyImageReply
)
PREDICT = _call(pyfunc_pb2, "Predict", model_requests.predict, replies.PredictReply)
LIST_MODELS = _call(model_pb2, "ListModels", model_requests.list_models, models.ListModelsReply)
GET_MODEL = _call(model_pb2, "GetModel", model_requests.get_model, models.GetModelReply)
