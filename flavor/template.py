"""Prompt templates: texts of the five tasks that MLflow templates are put into the saved template, verbatim."""

from string import Formatter

from savor.flavor.errors import LoadRefused

TEMPLATED_TASKS = frozenset(
    {"feature-extraction", "fill-mask", "summarization", "text2text-generation", "text-generation"}
)
"""Exactly the tasks for which `mlflow.transformers` accepts a template; `translation_xx_to_yy` is not among them."""


def fill(template: str | None, text: str) -> str:
    """The text in the template. Braces in the text stay as they are: there is one format pass."""
    return text if template is None else template.format(prompt=text)


def check(template: object, task: str) -> str | None:
    """The template as it applies to the task: None where there is none or the task is not templated.

    Raises LoadRefused for one that can't be filled; MLflow fails at the first prediction instead.
    """
    if template is None or task not in TEMPLATED_TASKS:
        return None
    try:
        if not isinstance(template, str):
            raise TypeError(f"it is a {type(template).__name__}")
        fields = [name for _, name, _, _ in Formatter().parse(template) if name is not None]
        if fields != ["prompt"]:
            raise ValueError("it must have one field, {prompt}")
        fill(template, "x")
    except (KeyError, IndexError, ValueError, TypeError, AttributeError) as error:
        raise LoadRefused(f"the saved prompt template can't be filled with a prompt: {error}") from None
    return template
