"""Prompt templates: verbatim, for the five tasks, refused where they can't be filled."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from savor.flavor.errors import LoadRefused
from savor.flavor.template import TEMPLATED_TASKS, check, fill

PROMPTS = st.one_of(st.text(), st.text(st.sampled_from("{}prompt! :0.[]\n")))


@given(PROMPTS)
def test_a_prompt_is_put_in_verbatim(prompt: str) -> None:
    assert fill("{{Q}}: {prompt}\n{{A}}: ", prompt) == "{Q}: " + prompt + "\n{A}: "


@given(PROMPTS)
def test_without_a_template_a_prompt_stays_as_it_is(prompt: str) -> None:
    assert fill(None, prompt) == prompt


@pytest.mark.parametrize("task", sorted(TEMPLATED_TASKS))
def test_templated_tasks_keep_their_template(task: str) -> None:
    assert check("Q: {prompt}", task) == "Q: {prompt}"


def test_the_templated_tasks_are_mlflows() -> None:
    from mlflow.transformers import _SUPPORTED_PROMPT_TEMPLATING_TASK_TYPES

    assert set(_SUPPORTED_PROMPT_TEMPLATING_TASK_TYPES) == TEMPLATED_TASKS


@pytest.mark.parametrize("task", ["text-classification", "translation_en_to_fr", "automatic-speech-recognition"])
@pytest.mark.parametrize("template", ["Q: {prompt}", "broken {", 3], ids=["a good one", "a broken one", "a number"])
def test_other_tasks_have_none(task: str, template: object) -> None:
    assert check(template, task) is None


def test_no_template_is_none() -> None:
    assert check(None, "text-generation") is None


@pytest.mark.parametrize("template", ["{prompt!r}", "{prompt:>10}", "{{}} {prompt}"], ids=repr)
def test_what_mlflow_accepts_is_accepted(template: str) -> None:
    assert check(template, "text-generation") == template


BROKEN = [
    "{}",
    "{0}",
    "{question}",
    "{prompt} {other}",
    "{prompt.x}",
    "{prompt[0]}",
    "{prompt:{width}}",
    "{prompt:d}",
    "{",
    "}",
    5,
    ["x"],
]


@pytest.mark.parametrize("template", BROKEN, ids=repr)
def test_a_template_that_cannot_be_filled_is_refused(template: object) -> None:
    with pytest.raises(LoadRefused, match="template can't be filled"):
        check(template, "text-generation")
