"""The payload of llm/v1 models: which options callers may set, and under which names they reach the pipeline."""

from typing import Any

import pytest

from savor.flavor import payload
from savor.flavor.errors import InvalidInput, UnsupportedParameter
from savor.flavor.params import Unknown
from tests.flavor.artifacts import artifact

COMPLETIONS = ["temperature", "max_new_tokens", "num_return_sequences"]


@pytest.mark.parametrize(
    ("recipe", "names"),
    [
        ("llm-completions", COMPLETIONS),
        ("llm-chat", [*COMPLETIONS, "top_p", "top_k", "frequency_penalty", "presence_penalty"]),
    ],
)
def test_the_options_are_the_payloads_numbers(recipe: str, names: list[str]) -> None:
    schema = artifact(recipe).saved.params_schema
    assert sorted(spec.name for spec in schema.params) == sorted(names)


def test_an_embeddings_model_takes_none() -> None:
    model = artifact("llm-embeddings")
    assert model.saved.params_schema is None
    options, warnings = model.options({"truncation": True})
    assert options == {}
    assert [warning.split(" ")[0] for warning in warnings] == ["parameters.truncation"]


@pytest.mark.parametrize(
    "asked",
    [{"max_tokens": 3, "n": 2}, {"max_new_tokens": 3, "num_return_sequences": 2}],
    ids=["MLflow's names", "the pipeline's names"],
)
def test_both_names_reach_the_pipeline(asked: dict[str, Any]) -> None:
    options, warnings = artifact("llm-chat").options(asked)
    assert options == {"max_new_tokens": 3, "do_sample": False, "num_return_sequences": 2}
    assert warnings == ()


def test_what_is_not_asked_for_stays_as_saved() -> None:
    assert artifact("llm-chat").options({})[0] == {"max_new_tokens": 8, "do_sample": False}


def test_a_null_is_no_value() -> None:
    assert artifact("llm-chat").options({"max_tokens": None, "temperature": None})[0]["max_new_tokens"] == 8


def test_an_option_by_both_of_its_names() -> None:
    with pytest.raises(InvalidInput, match=r"parameters\.max_tokens: is another word for max_new_tokens"):
        artifact("llm-chat").options({"max_tokens": 3, "max_new_tokens": 3})


@pytest.mark.parametrize("asked", [{"max_tokens": 2.0}, {"temperature": "hot"}], ids=["a real number", "a text"])
def test_types_are_the_payloads(asked: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="does not fit its type"):
        artifact("llm-chat").options(asked)


def test_other_options_are_dropped_or_refused() -> None:
    options, warnings = artifact("llm-completions").options({"top_k": 3})
    assert "top_k" not in options
    assert "parameters.top_k" in warnings[0]
    with pytest.raises(UnsupportedParameter):
        artifact("llm-completions", unknown_params=Unknown.REJECT).options({"top_k": 3})


def test_names_of_the_saved_config_are_the_payloads_too() -> None:
    assert payload.renamed({"max_tokens": 4, "do_sample": False}) == {"max_new_tokens": 4, "do_sample": False}
