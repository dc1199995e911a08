"""The table of families: how each RPC is called and how its answers look. A new family is an entry here."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from savor.client import Client
from savor.server.cli import answers, attachments, inputs
from savor.server.cli.footer import Told
from savor.server.cli.generation import show_chat, show_generated, show_stream
from savor.server.cli.inputs import Input
from savor.server.cli.options import Option
from savor.server.cli.request import CallRequest
from savor.server.cli.screen import Screen
from savor.server.cli.speech import show_live, show_speech


@dataclass(frozen=True)
class Rpc:
    """The client's method of an RPC, what reads its inputs, and what shows its answer and gives back its last reply.

    `options` are those beside the plain fields of the request, in the order in which they join the inputs. `single`
    says that the method takes one input alone.
    """

    send: Callable[..., Any]
    read: Callable[[CallRequest], list[Input]]
    show: Callable[[Screen, Sequence[Input], Any], Told]
    options: Sequence[Option] = ()
    single: bool = False


_recordings = inputs.media("inputs of this model are audio files")
_images = inputs.media("inputs of this model are image files")
_pair = [Option("text_pair", "TEXT", str, join=attachments.with_second_text)]
_context = [Option("context", "TEXT or @FILE", attachments.text_or_file, join=attachments.with_context)]
_table = [Option("table", "FILE.csv or FILE.json", attachments.read_table)]
_messages = [
    Option("history", "FILE.json", attachments.read_history, join=attachments.with_history),
    Option("system", "TEXT or @FILE", attachments.text_or_file, join=attachments.with_system),
]

# By family and RPC, the preferred one first.
FAMILIES: Mapping[str, Mapping[str, Rpc]] = {
    "text-classification": {"ClassifyText": Rpc(Client.classify_text, inputs.pairs, answers.show_labels, _pair)},
    "token-classification": {"ClassifyTokens": Rpc(Client.classify_tokens, inputs.texts, answers.show_entities)},
    "zero-shot-classification": {"ClassifyZeroShot": Rpc(Client.classify_zero_shot, inputs.texts, answers.show_labels)},
    "question-answering": {
        "AnswerQuestion": Rpc(Client.answer_question, inputs.questions, answers.show_answers, _context)
    },
    "table-question-answering": {
        "AnswerTableQuestion": Rpc(Client.answer_table_question, inputs.texts, answers.show_cells, _table)
    },
    "fill-mask": {"FillMask": Rpc(Client.fill_mask, inputs.texts, answers.show_masks)},
    "feature-extraction": {
        "EmbedText": Rpc(Client.embed_text, inputs.texts, answers.show_embeddings),
        "ExtractFeatures": Rpc(Client.extract_features, inputs.texts, answers.show_features),
    },
    "text-generation": {
        "StreamGenerateText": Rpc(Client.stream_generate_text, inputs.texts, show_stream),
        "GenerateText": Rpc(Client.generate_text, inputs.texts, show_generated),
    },
    "text2text-generation": {
        "StreamTransformText": Rpc(Client.stream_transform_text, inputs.texts, show_stream),
        "TransformText": Rpc(Client.transform_text, inputs.texts, show_generated),
        "StreamSummarizeText": Rpc(Client.stream_summarize_text, inputs.texts, show_stream),
        "SummarizeText": Rpc(Client.summarize_text, inputs.texts, show_generated),
        "StreamTranslateText": Rpc(Client.stream_translate_text, inputs.texts, show_stream),
        "TranslateText": Rpc(Client.translate_text, inputs.texts, show_generated),
    },
    "chat": {
        "StreamCompleteChat": Rpc(Client.stream_complete_chat, inputs.conversations, show_stream, _messages),
        "CompleteChat": Rpc(Client.complete_chat, inputs.conversations, show_chat, _messages),
    },
    "automatic-speech-recognition": {
        "RecognizeSpeech": Rpc(Client.recognize_speech, _recordings, show_speech),
        "StreamingRecognizeSpeech": Rpc(Client.stream_recognize_speech, inputs.samples, show_live, single=True),
    },
    "audio-classification": {"ClassifyAudio": Rpc(Client.classify_audio, _recordings, answers.show_labels)},
    "image-classification": {"ClassifyImage": Rpc(Client.classify_image, _images, answers.show_labels)},
    "pyfunc": {"Predict": Rpc(Client.predict, inputs.body, answers.show_body, single=True)},
}
RPCS: Mapping[str, Rpc] = {name: rpc for family in FAMILIES.values() for name, rpc in family.items()}
