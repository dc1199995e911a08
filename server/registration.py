"""A model from where it lies to MLflow's registry, by `mlflow.transformers.log_model`; nothing half right is saved.

Everything that can be known to be wrong is refused before MLflow writes anything. The signature always has what callers
may set; the requirements are always given, as MLflow's own guess asks for packages that Savor does without.
"""

import copy
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any

from savor.flavor import payload, table, template
from savor.flavor.checkpoint import Checkpoint, Unloggable, first_line, opened
from savor.flavor.errors import LoadRefused
from savor.flavor.findings import CONVERSATIONAL
from savor.flavor.saved import family_task
from savor.flavor.soundness import float_type
from savor.server.config import MlflowSettings
from savor.server.resolve import use

_LLM_TASKS = {
    payload.CHAT: "text-generation",
    payload.COMPLETIONS: "text-generation",
    payload.EMBEDDINGS: "feature-extraction",
}
_REQUIREMENTS = ("torch", "transformers", "accelerate")
_NOT_IN_NAMES = re.compile(r"[/:.%\"']")
"""What MLflow refuses in the name of a logged model."""


class RegistrationFailed(Exception):
    """MLflow could not log or register the model. The text says why."""


@dataclass(frozen=True)
class Registration:
    """What is to be logged, and as what."""

    source: Any
    """A folder's path, a mapping of components or a `transformers.Pipeline`."""
    task: str
    """A pipeline task, or `llm/v1/chat`, `llm/v1/completions` or `llm/v1/embeddings`."""
    name: str | None = None
    """The registered model that gets a version; without it the model is logged but not registered."""
    alias: str | None = None
    experiment: str | None = None
    base_model: str | None = None
    prompt_template: str | None = None
    model_config: Mapping[str, Any] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    """What callers may set, with the defaults."""
    input_example: Any = None
    dtype: str | None = None
    """The torch type that it is loaded with."""


@dataclass(frozen=True)
class Registered:
    """A logged model. `version` is empty where it was not registered."""

    uri: str
    """What `savor serve` takes."""
    run_id: str
    name: str = ""
    version: str = ""
    alias: str = ""


def register(wanted: Registration, settings: MlflowSettings) -> Registered:
    """Logs a model and registers it. Raises Unloggable for what can't be, RegistrationFailed where MLflow fails."""
    task = _checked(wanted)
    params = _params_schema(wanted)
    checkpoint = opened(wanted.source, task, wanted.base_model)
    signature = None if wanted.task in _LLM_TASKS else _signature(checkpoint, task, wanted, params)
    with _failing("MLflow can't log the model"):
        use(settings)
        return _log(checkpoint, wanted, task, signature)


def _checked(wanted: Registration) -> str:
    """The pipeline task, once everything that needs no weights is known to be right."""
    task = _pipeline_task(wanted.task)
    if wanted.alias and not wanted.name:
        raise Unloggable("an alias is of a registered model: give its name too")
    if wanted.params and wanted.task in _LLM_TASKS:
        raise Unloggable(f"a model for {wanted.task} takes its options in the request: give defaults as model_config")
    _check_template(wanted.prompt_template, task)
    _torch_type(wanted.dtype)
    return task


def _pipeline_task(wanted: str) -> str:
    from transformers.pipelines import PIPELINE_REGISTRY

    named = _LLM_TASKS.get(wanted, wanted)
    task = str(PIPELINE_REGISTRY.task_aliases.get(named, named))
    if task == CONVERSATIONAL:
        raise Unloggable("transformers has no conversational pipeline: log it for text-generation, or llm/v1/chat")
    try:
        table.families_of(family_task(task))
    except LoadRefused as error:
        raise Unloggable(f"{error}, {', '.join(_LLM_TASKS)}") from None
    return task


def _check_template(text: str | None, task: str) -> None:
    if text is None:
        return
    try:
        applies = template.check(text, task)
    except LoadRefused as error:
        raise Unloggable(str(error).replace("the saved prompt", "the prompt")) from None
    if applies is None:
        tasks = ", ".join(sorted(template.TEMPLATED_TASKS))
        raise Unloggable(f"MLflow has prompt templates for {tasks} alone, and not for {task}")


def _torch_type(name: str | None) -> Any:
    if name is None:
        return None
    dtype = float_type(name)
    if dtype is None:
        raise Unloggable(f"{name!r} is no floating-point type of torch, such as bfloat16")
    return dtype


def _params_schema(wanted: Registration) -> Any:
    """The parameters with their types as MLflow infers them from their defaults."""
    from mlflow.exceptions import MlflowException
    from mlflow.models import infer_signature

    for name, value in wanted.params.items():
        try:
            infer_signature("text", params={name: value})
        except MlflowException:
            raise Unloggable(f"params.{name}: MLflow has no type for {value!r:.80}") from None
        if value == []:
            raise Unloggable(f"params.{name}: an empty list has no type: give an element")
    return infer_signature("text", params=dict(wanted.params)).params if wanted.params else None


def _signature(checkpoint: Checkpoint, task: str, wanted: Registration, params: Any) -> Any:
    """What MLflow infers by running the example, else its default for the task; the parameters in either case."""
    from mlflow.models import ModelSignature
    from mlflow.transformers.signature import infer_or_get_default_signature

    pipeline = SimpleNamespace(task=task) if wanted.input_example is None else checkpoint.pipeline()
    example = copy.deepcopy(_example(wanted))
    found = infer_or_get_default_signature(pipeline, example, dict(wanted.model_config))
    if found is None or params is None:
        return found
    return ModelSignature(inputs=found.inputs, outputs=found.outputs, params=params)


def _example(wanted: Registration) -> Any:
    """The example as MLflow takes it: with the parameters where there are any."""
    return (wanted.input_example, dict(wanted.params)) if wanted.params else wanted.input_example


def _log(checkpoint: Checkpoint, wanted: Registration, task: str, signature: Any) -> Registered:
    import mlflow

    if wanted.experiment:
        mlflow.set_experiment(wanted.experiment)
    with _run() as run:
        logged = mlflow.transformers.log_model(
            checkpoint.model,
            name=_NOT_IN_NAMES.sub("-", wanted.name or "model"),
            task=wanted.task if wanted.task in _LLM_TASKS else task,
            signature=signature,
            input_example=copy.deepcopy(_example(wanted)) if wanted.input_example is not None else None,
            registered_model_name=wanted.name,
            # MLflow writes into it.
            model_config=dict(wanted.model_config) or None,
            prompt_template=wanted.prompt_template,
            torch_dtype=_torch_type(wanted.dtype),
            base_model_path=str(checkpoint.base) if checkpoint.base else None,
            model_card=_card(checkpoint),
            pip_requirements=_requirements(checkpoint),
        )
    if wanted.name is None:
        return Registered(logged.model_uri, run.info.run_id)
    return _named(wanted, str(logged.registered_model_version), run.info.run_id)


def _named(wanted: Registration, number: str, run_id: str) -> Registered:
    import mlflow

    if wanted.alias:
        mlflow.MlflowClient().set_registered_model_alias(wanted.name, wanted.alias, number)
    selector = f"@{wanted.alias}" if wanted.alias else f"/{number}"
    return Registered(f"models:/{wanted.name}{selector}", run_id, str(wanted.name), number, wanted.alias or "")


@contextmanager
def _run() -> Iterator[Any]:
    """The run that is active, else one of its own."""
    import mlflow

    if (active := mlflow.active_run()) is not None:
        yield active
        return
    with mlflow.start_run() as run:
        yield run


def _card(checkpoint: Checkpoint) -> Any:
    from huggingface_hub import ModelCard

    return ModelCard(checkpoint.card.read_text(errors="replace")) if checkpoint.card else None


def _requirements(checkpoint: Checkpoint) -> list[str]:
    packages = (*_REQUIREMENTS, "peft") if checkpoint.base else _REQUIREMENTS
    # A build's own label, such as +cpu, is known to one index alone.
    return [f"{package}=={version(package).partition('+')[0]}" for package in packages]


@contextmanager
def _failing(what: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        # Tracking servers and artifact stores raise errors of their own beside MLflow's.
        raise RegistrationFailed(f"{what}: {first_line(error)}") from error
