"""Conversations to the next message: models with a chat template, and those without by a plain fallback.

Nothing is remembered between calls, where MLflow keeps one conversation for all callers. For models saved for
llm/v1/chat the rendered text is encoded as MLflow does it, special tokens added; for others as transformers encodes it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from savor.flavor import generation, payload, prompting
from savor.flavor.artifact import Artifact
from savor.flavor.errors import InvalidInput
from savor.flavor.family import Family, Method
from savor.flavor.findings import CONVERSATIONAL
from savor.flavor.item import Prepared, Row
from savor.flavor.probe import Probe
from savor.flavor.replies import Replies, StreamGenerateTextResponse
from savor.flavor.sequences import FinishReason


@dataclass(frozen=True)
class ChatMessage:
    """One message."""

    role: str
    content: str
    name: str | None = None


@dataclass(frozen=True)
class Conversation:
    """Messages, the oldest first."""

    messages: tuple[ChatMessage, ...]


@dataclass(frozen=True)
class CompleteChatRequest:
    """Conversations to go on with. `stop` texts end a reply; `seed` makes sampling repeatable."""

    inputs: tuple[Conversation, ...]
    parameters: Mapping[str, Any]
    stop: tuple[str, ...] = ()
    seed: int | None = None


@dataclass(frozen=True)
class ChatReply:
    """One message that may come next."""

    message: ChatMessage
    finish_reason: FinishReason
    token_count: int


@dataclass(frozen=True)
class ChatResult:
    """The replies in one conversation."""

    replies: tuple[ChatReply, ...]
    prompt_token_count: int


@dataclass(frozen=True)
class CompleteChatResponse:
    """One result for each conversation."""

    results: tuple[ChatResult, ...]


@dataclass(frozen=True)
class _Decoding:
    replies: Replies

    def __call__(self, rows: Sequence[Row]) -> CompleteChatResponse:
        return CompleteChatResponse(
            tuple(
                ChatResult(
                    tuple(
                        ChatReply(ChatMessage("assistant", each.text), each.finish_reason, each.token_count)
                        for each in result.sequences
                    ),
                    result.prompt_token_count,
                )
                for result in self.replies.decode(rows).results
            )
        )


def prepare(request: CompleteChatRequest, artifact: Artifact) -> Prepared:
    """Renders each conversation and encodes it."""
    _check(request.inputs, artifact)
    options, warnings = artifact.options(request.parameters)
    options = {**options, "return_full_text": False, "include_prompt": True, "collapse_whitespace": False}
    if artifact.pipeline.model.config.is_encoder_decoder:
        del options["return_full_text"]
    elif artifact.saved.inference_task != payload.CHAT and (
        _has_template(artifact) or artifact.saved.task == CONVERSATIONAL
    ):
        # A chat template writes the special tokens itself.
        options["add_special_tokens"] = False
    render = _from_template if _has_template(artifact) else _plain
    texts = [artifact.fill(render(given, f"inputs[{i}].messages", artifact)) for i, given in enumerate(request.inputs)]
    written = prompting.write(texts, request, options, artifact)
    if not _has_template(artifact):
        warnings = (*warnings, "the model has no chat template: the messages were joined plainly")
    return Prepared(written.items, _Decoding(written.replies), warnings, written.replies.fold)


def _check(inputs: Sequence[Conversation], artifact: Artifact) -> None:
    artifact.limits.check_inputs(inputs)
    for index, conversation in enumerate(inputs):
        if not conversation.messages:
            raise InvalidInput.at(f"inputs[{index}].messages", "is empty; give at least one message")
        for number, message in enumerate(conversation.messages):
            field = f"inputs[{index}].messages[{number}]"
            if not message.role:
                raise InvalidInput.at(f"{field}.role", "is empty; say user, assistant or system")
            artifact.limits.check_text(f"{field}.content", message.content)


def _has_template(artifact: Artifact) -> bool:
    return bool(artifact.pipeline.tokenizer.chat_template)


def _from_template(conversation: Conversation, field: str, artifact: Artifact) -> str:
    from jinja2 import TemplateError

    assert artifact.encoder is not None
    messages = [
        {"role": each.role, "content": each.content, **({} if each.name is None else {"name": each.name})}
        for each in conversation.messages
    ]
    try:
        with artifact.encoder.borrow() as tokenizer:
            return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))
    except (TemplateError, ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise InvalidInput.at(field, f"the model's chat template refuses them: {error}") from None


def _plain(conversation: Conversation, field: str, artifact: Artifact) -> str:
    """Without a template: as transformers rendered a `conversational` pipeline's, else a line for each message."""
    messages = conversation.messages
    if artifact.saved.task == CONVERSATIONAL:
        if artifact.pipeline.model.config.is_encoder_decoder:
            return "  ".join(f"{' ' * (message.role == 'user')}{message.content}" for message in messages)
        end = artifact.pipeline.tokenizer.eos_token or "\n"
        return "".join(message.content + end for message in messages)
    return "".join(f"{message.role}: {message.content}\n" for message in messages) + "assistant:"


def _probe(artifact: Artifact, probe: Probe = Probe()) -> Prepared:
    hello = Conversation((ChatMessage("user", probe.text),))
    return generation.short(prepare(CompleteChatRequest((hello,), {}), artifact), probe.tokens)


FAMILY = Family(
    name="chat",
    service="ChatService",
    tasks=frozenset({"text-generation", CONVERSATIONAL}),
    methods=(
        Method("CompleteChat", CompleteChatRequest, CompleteChatResponse, prepare),
        Method("StreamCompleteChat", CompleteChatRequest, StreamGenerateTextResponse, prepare, streams=True),
    ),
    probe=_probe,
    inference_tasks=frozenset({payload.CHAT}),
)
