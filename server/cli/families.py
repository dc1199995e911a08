"""The table of families: how each is called and how its answers look. A new family is an entry here."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from savor.client import Client
from savor.server.cli.answers import show_embeddings, show_features, show_labels, show_speech
from savor.server.cli.footer import Told
from savor.server.cli.generation import show_generated, show_stream
from savor.server.cli.inputs import Input, pairs, recordings, texts
from savor.server.cli.request import CallRequest
from savor.server.cli.screen import Screen


@dataclass(frozen=True)
class Rpc:
    """The client's method of an RPC, and what shows its answer (a reply or a stream) and gives back its last reply."""

    send: Callable[..., Any]
    show: Callable[[Screen, Sequence[Input], Any], Told]


@dataclass(frozen=True)
class Family:
    """What reads the inputs, the RPCs by name, preferred first, and the option for a second text, if there is one."""

    read: Callable[[CallRequest], list[Input]]
    rpcs: Mapping[str, Rpc]
    second_text: str | None = None


FAMILIES: Mapping[str, Family] = {
    "text-classification": Family(
        read=pairs,
        rpcs={"ClassifyText": Rpc(Client.classify_text, show_labels)},
        second_text="text_pair",
    ),
    "feature-extraction": Family(
        read=texts,
        rpcs={
            "EmbedText": Rpc(Client.embed_text, show_embeddings),
            "ExtractFeatures": Rpc(Client.extract_features, show_features),
        },
    ),
    "text-generation": Family(
        read=texts,
        rpcs={
            "StreamGenerateText": Rpc(Client.stream_generate_text, show_stream),
            "GenerateText": Rpc(Client.generate_text, show_generated),
        },
    ),
    "automatic-speech-recognition": Family(
        read=recordings,
        rpcs={"RecognizeSpeech": Rpc(Client.recognize_speech, show_speech)},
    ),
}
