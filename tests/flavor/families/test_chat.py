"""Conversations: how they are rendered with and without a template, and what of them is refused."""

from dataclasses import replace
from typing import Any

import pytest

from savor.accel.eager import EagerBackend
from savor.flavor.artifact import Artifact
from savor.flavor.errors import InvalidInput
from savor.flavor.families.chat import ChatMessage, CompleteChatRequest, Conversation, prepare
from savor.flavor.limits import Limits
from savor.flavor.params import Unknown
from tests.accel.batches import batch
from tests.flavor.artifacts import artifact

HI = (("user", "hi"),)
LONG = (("system", "be kind"), ("user", "what is this work?"), ("assistant", "a"), ("user", "b"))


def _request(*conversations: tuple[tuple[str, str], ...], **parameters: Any) -> CompleteChatRequest:
    inputs = tuple(Conversation(tuple(ChatMessage(*message) for message in each)) for each in conversations)
    return CompleteChatRequest(inputs, parameters)


def _rendered(request: CompleteChatRequest, model: Artifact) -> str:
    (item,) = prepare(request, model).items
    text: str = model.pipeline.tokenizer.decode(item.arrays["input_ids"])
    return text


def _conversational(recipe: str) -> Artifact:
    plain = artifact(recipe)
    return replace(plain, saved=replace(plain.saved, task="conversational"))


def test_the_template_renders_the_messages() -> None:
    assert _rendered(_request(LONG), artifact("chatter")) == (
        "<system> be kind\n<user> what is this work?\n<assistant> a\n<user> b\n<assistant> "
    )


def test_without_a_template_each_message_is_a_line() -> None:
    assert _rendered(_request(LONG[:2]), artifact("generator-bare")) == (
        "system: be kind\nuser: what is this work?\nassistant:"
    )


def test_a_conversational_model_ends_each_message_with_its_end_token() -> None:
    assert _rendered(_request(LONG[1:3]), _conversational("generator-bare")) == "what is this work?<|end|>a<|end|>"


def test_a_conversational_encoder_decoder_reads_the_messages_with_spaces_between() -> None:
    """As the chat template that transformers 4.41 had for Blenderbot."""
    text = _rendered(_request(LONG[1:]), _conversational("text2text"))
    assert text == " what is this work?  a   b[SEP]"


def test_a_conversation_in_a_batch_is_the_conversation_alone() -> None:
    model = artifact("chatter")
    backend = EagerBackend(model)

    def answers(*conversations: tuple[tuple[str, str], ...]) -> list[str]:
        prepared = prepare(_request(*conversations), model)
        results = prepared.decode(backend.run(batch(*prepared.items))).results
        return [result.replies[0].message.content for result in results]

    together = answers(HI, LONG)
    assert together == [*answers(HI), *answers(LONG)]
    assert together[0] != together[1]


def test_a_template_that_refuses_names_the_conversation() -> None:
    plain = artifact("chatter")
    pipeline = plain.pipeline
    strict = "{% if messages[0]['role'] != 'user' %}{{ raise_exception('Start with the user') }}{% endif %}ok"
    own = pipeline.tokenizer.chat_template
    pipeline.tokenizer.chat_template = strict
    try:
        with pytest.raises(
            InvalidInput, match=r"inputs\[1\]\.messages: the model's chat template refuses .*Start with"
        ):
            prepare(_request(HI, (("system", "a"),)), plain)
    finally:
        pipeline.tokenizer.chat_template = own


@pytest.mark.parametrize("parameters", [{"frequency_penalty": 3.0}, {"presence_penalty": "much"}], ids=str)
def test_penalties_have_a_range(parameters: dict[str, Any]) -> None:
    (name,) = parameters
    with pytest.raises(InvalidInput, match=rf"parameters\.{name}"):
        prepare(_request(HI, **parameters), artifact("chatter", unknown_params=Unknown.ALLOW))


@pytest.mark.parametrize(
    ("conversations", "field"),
    [
        ((HI, HI, HI), "inputs"),
        ((((),)[0],), "inputs[0].messages"),
        ((HI, (("user", "x" * 11),)), "inputs[1].messages[0].content"),
    ],
    ids=["many conversations", "no message", "a long message"],
)
def test_limits(conversations: Any, field: str) -> None:
    model = replace(artifact("chatter"), limits=Limits(max_inputs=2, max_text_chars=10))
    with pytest.raises(InvalidInput) as caught:
        prepare(_request(*conversations), model)
    assert [violation.field for violation in caught.value.violations] == [field]
