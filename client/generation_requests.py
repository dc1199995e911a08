"""What writes text: the arguments of each method, and the request that they make; streams take the same."""

from savor.client.conversations import ConversationInput, conversations
from savor.client.inputs import texts
from savor.client.requests import Parameters, Request, Texts, request


def generate_text(
    inputs: Texts,
    *,
    model: str = "",
    parameters: Parameters = None,
    stop: Texts = (),
    seed: int | None = None,
    timeout_s: float | None = None,
) -> Request:
    """The continuation of each prompt, when all have ended.

    A sequence ends before any of the texts `stop`, at most 16. Equal requests with equal `seed` get equal answers.
    """
    return request(
        timeout_s, model=model, inputs=texts(inputs), parameters=parameters, stop=texts(stop, "stop"), seed=seed
    )


def transform_text(
    inputs: Texts,
    *,
    model: str = "",
    parameters: Parameters = None,
    stop: Texts = (),
    seed: int | None = None,
    timeout_s: float | None = None,
) -> Request:
    """What the model makes of each text, when all have ended: for models of the task text2text-generation.

    `stop` and `seed` are as for `generate_text`.
    """
    return generate_text(inputs, model=model, parameters=parameters, stop=stop, seed=seed, timeout_s=timeout_s)


def summarize_text(
    inputs: Texts,
    *,
    model: str = "",
    parameters: Parameters = None,
    stop: Texts = (),
    seed: int | None = None,
    timeout_s: float | None = None,
) -> Request:
    """The summary of each text, when all have ended. `stop` and `seed` are as for `generate_text`."""
    return generate_text(inputs, model=model, parameters=parameters, stop=stop, seed=seed, timeout_s=timeout_s)


def translate_text(
    inputs: Texts,
    *,
    model: str = "",
    parameters: Parameters = None,
    stop: Texts = (),
    seed: int | None = None,
    source_language: str | None = None,
    target_language: str | None = None,
    timeout_s: float | None = None,
) -> Request:
    """The translation of each text, when all have ended. `stop` and `seed` are as for `generate_text`.

    `source_language` and `target_language` are named as a multilingual model's tokenizer names them, such as "en_XX";
    None stands for the model's own.
    """
    return request(
        timeout_s,
        model=model,
        inputs=texts(inputs),
        parameters=parameters,
        stop=texts(stop, "stop"),
        seed=seed,
        source_language=source_language,
        target_language=target_language,
    )


def complete_chat(
    inputs: ConversationInput,
    *,
    model: str = "",
    parameters: Parameters = None,
    stop: Texts = (),
    seed: int | None = None,
    timeout_s: float | None = None,
) -> Request:
    """The next message of each conversation, when all have ended. `stop` and `seed` are as for `generate_text`.

    `inputs` is one conversation, a list of messages, or several, a list of such lists. A message is a ChatMessage, a
    (role, content) tuple, or a dict of "role", "content" and perhaps "name". A str stands for a conversation of one
    message by the user.
    """
    return request(
        timeout_s,
        model=model,
        inputs=conversations(inputs),
        parameters=parameters,
        stop=texts(stop, "stop"),
        seed=seed,
    )
