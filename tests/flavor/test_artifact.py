"""A loaded model's options and template, as its own files say."""

import pytest

from savor.flavor.errors import InvalidInput, UnsupportedParameter
from savor.flavor.params import Unknown
from tests.flavor.artifacts import artifact


def test_options_are_of_the_saved_config_where_there_is_no_schema() -> None:
    options, warnings = artifact("generator-bare").options({"max_new_tokens": 3})
    assert options == {"max_new_tokens": 8, "do_sample": False}
    assert len(warnings) == 1


def test_options_are_of_the_schema_and_the_request() -> None:
    options, warnings = artifact("classifier-with-params").options({"top_k": 3})
    assert options == {"top_k": 3, "function_to_apply": "softmax"}
    assert warnings == ()


def test_a_wrong_type_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"parameters\.top_k"):
        artifact("classifier-with-params").options({"top_k": 1.5})


def test_the_operators_choice_for_strangers_applies() -> None:
    with pytest.raises(UnsupportedParameter):
        artifact("classifier", unknown_params=Unknown.REJECT).options({"x": 1})
    assert artifact("classifier", unknown_params=Unknown.ALLOW).options({"x": 1}) == ({"x": 1}, ())


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        pytest.param("generator-with-template", "Q: {x} A:", id="with a template"),
        pytest.param("encoder-with-template", "query: {x}", id="with another"),
        pytest.param("generator", "{x}", id="without"),
    ],
)
def test_a_text_in_the_template(recipe: str, expected: str) -> None:
    assert artifact(recipe).fill("{x}") == expected
