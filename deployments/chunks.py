"""Pieces of text as the chunks of OpenAI and MLflow's gateway; each has the usage of all choices so far."""

import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from savor.client import FinishReason, Stream, TextGenerationDelta, TextStreamReply
from savor.deployments.failures import as_mlflow
from savor.deployments.replies import tell

_REASONS = {
    FinishReason.END_TOKEN: "stop",
    FinishReason.STOP_SEQUENCE: "stop",
    FinishReason.LENGTH: "length",
}


@dataclass(frozen=True)
class Shape:
    """What a chunk is called, and what of a choice holds a piece of its text; `first` is said of its first piece."""

    kind: str
    content: Callable[[str, bool], Mapping[str, Any]]


def _delta(text: str, first: bool) -> Mapping[str, Any]:
    return {"delta": {**({"role": "assistant"} if first else {}), "content": text}}


chat = Shape("chat.completion.chunk", _delta)
# As MLflow's gateway calls it.
completion = Shape("text_completion_chunk", lambda text, first: {"text": text})


def chunks(stream: Stream[TextStreamReply], model: str, shape: Shape) -> Iterator[dict[str, Any]]:
    """A chunk for each piece of each sequence. Ends the call where the caller stops reading."""
    head = {"id": str(uuid.uuid4()), "object": shape.kind, "created": int(time.time()), "model": model}
    counts: dict[int, int] = {}
    with stream, as_mlflow():
        for reply in stream:
            for piece in reply.results:
                choice = _choice(piece, shape, piece.sequence not in counts)
                counts[piece.sequence] = piece.token_count
                yield {**head, "choices": [choice], "usage": _usage(piece.prompt_token_count, sum(counts.values()))}
            tell(reply.warnings)


def _choice(piece: TextGenerationDelta, shape: Shape, first: bool) -> dict[str, Any]:
    reason = piece.finish_reason and _REASONS[piece.finish_reason]
    return {"index": piece.sequence, "finish_reason": reason, **shape.content(piece.text, first)}


def _usage(prompt: int, completion: int) -> dict[str, int]:
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
