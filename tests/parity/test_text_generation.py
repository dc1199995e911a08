"""GenerateText and its stream against mlflow.pyfunc: same greedy texts, templates and parameters included."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from savor.client import Client, FinishReason, connect
from tests.parity.oracle import pyfunc, texts

MODELS = ("generator", "generator-bare", "generator-with-template", "generator-collapsing")
PROMPTS = [
    "The work",
    "  leading and trailing  ",
    "a\n\nb   c",
    "{braces} {prompt}",
    "日本語 🙂",
    "x",
    "1 2 3 ' n't don 's",
]


@pytest.fixture(scope="module")
def client(serving):
    with connect(serving(*MODELS).target) as connected:
        yield connected


def streamed(client: Client, *arguments, **keywords) -> tuple[dict[tuple[int, int], str], list[FinishReason]]:
    """The pieces of each sequence joined, and how the sequences ended."""
    joined: dict[tuple[int, int], str] = {}
    endings = []
    for message in client.stream_generate_text(*arguments, **keywords):
        for delta in message.results:
            key = (delta.input, delta.sequence)
            joined[key] = joined.get(key, "") + delta.text
            endings += [delta.finish_reason] if delta.finish_reason else []
    return joined, endings


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("prompt", PROMPTS, ids=repr)
def test_one_prompt(client: Client, model: str, prompt: str) -> None:
    assert texts(client.generate_text(prompt, model=model)) == pyfunc(model).predict(prompt)


@pytest.mark.parametrize("model", MODELS)
def test_a_batch_in_order(client: Client, model: str) -> None:
    assert texts(client.generate_text(PROMPTS, model=model)) == pyfunc(model).predict(PROMPTS)


@pytest.mark.parametrize("model", MODELS)
def test_a_stream_adds_up_to_the_text(client: Client, model: str) -> None:
    joined, endings = streamed(client, PROMPTS, model=model)
    whole = client.generate_text(PROMPTS, model=model).results
    assert [joined[index, 0] for index in range(len(PROMPTS))] == [result.sequences[0].text for result in whole]
    assert len(endings) == len(PROMPTS)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(min_size=1, max_size=20), min_size=1, max_size=4))
def test_any_prompt(client: Client, prompts: list[str]) -> None:
    assert texts(client.generate_text(prompts, model="generator-bare")) == pyfunc("generator-bare").predict(prompts)


PARAMETERS = [
    {"max_new_tokens": 1},
    {"max_new_tokens": 3, "return_full_text": False},
    {"num_beams": 3},
    {"num_beams": 3, "num_return_sequences": 1, "max_new_tokens": 20},
    {"temperature": 1},
    {"temperature": 0.0},
]


@pytest.mark.parametrize("parameters", PARAMETERS, ids=str)
@pytest.mark.parametrize("prompt", PROMPTS[:3], ids=repr)
def test_parameters(client: Client, parameters: dict[str, object], prompt: str) -> None:
    reply = client.generate_text(prompt, model="generator", parameters=parameters)
    assert texts(reply) == pyfunc("generator").predict(prompt, params=parameters)


def test_unknown_parameters_are_dropped_with_a_warning(client: Client) -> None:
    parameters = {"max_new_tokens": 2, "top_p": 0.1, "no_such_thing": [1]}
    reply = client.generate_text("The work", model="generator", parameters=parameters)
    assert texts(reply) == pyfunc("generator").predict("The work", params=parameters)
    assert sorted(warning.split()[0] for warning in reply.warnings) == ["parameters.no_such_thing", "parameters.top_p"]


def test_every_sequence_is_kept_with_its_prompt(client: Client) -> None:
    """B5: MLflow gives prompt 2 the second sequence of prompt 1; the typed door groups sequences by prompt."""
    parameters = {"num_beams": 3, "num_return_sequences": 2}
    results = client.generate_text(["The work", "Licensed"], model="generator", parameters=parameters).results
    assert [len(result.sequences) for result in results] == [2, 2]
    for prompt, result in zip(["The work", "Licensed"], results, strict=True):
        assert all(sequence.text.startswith(prompt) for sequence in result.sequences)
    mixed_up = pyfunc("generator").predict(["The work", "Licensed"], params=parameters)
    assert mixed_up == [sequence.text.strip() for sequence in results[0].sequences]


def test_stop_texts_end_a_sequence_and_are_left_out(client: Client) -> None:
    whole = (
        client.generate_text("The work", model="generator", parameters={"max_new_tokens": 12}).results[0].sequences[0]
    )
    generated = whole.text.removeprefix("The work")
    stop = generated[4:7]
    reply = client.generate_text("The work", model="generator", parameters={"max_new_tokens": 12}, stop=[stop])
    sequence = reply.results[0].sequences[0]
    assert sequence.text == "The work" + generated[: generated.index(stop)]
    assert sequence.finish_reason is FinishReason.STOP_SEQUENCE
    assert sequence.token_count < whole.token_count
    joined, endings = streamed(client, "The work", model="generator", parameters={"max_new_tokens": 12}, stop=[stop])
    assert joined == {(0, 0): sequence.text}
    assert endings == [FinishReason.STOP_SEQUENCE]


def test_seeds_make_sampling_repeatable(client: Client) -> None:
    parameters = {"do_sample": True, "max_new_tokens": 12}
    first, second, other = (
        texts(client.generate_text(["a", "b"], model="generator", parameters=parameters, seed=seed))
        for seed in (5, 5, 6)
    )
    assert first == second != other


def test_lengths_and_endings(client: Client) -> None:
    result = client.generate_text("The work", model="generator", parameters={"max_new_tokens": 5}).results[0]
    assert result.sequences[0].finish_reason is FinishReason.LENGTH
    assert result.sequences[0].token_count == 5
    assert result.prompt_token_count > 1
