"""What serving a saved model would mean, told from its files before any weights are loaded.

Loading goes by the same description, so what is told here is what happens there.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from savor.flavor import findings, soundness, table, trust
from savor.flavor.errors import LoadRefused
from savor.flavor.saved import SavedModel, effective_config
from savor.flavor.trust import Trust

ResultT = TypeVar("ResultT")


@dataclass(frozen=True)
class Parameter:
    """A parameter that callers may set: its MLflow type, with `[]` where it is a list, and its default."""

    name: str
    type: str
    default: Any


@dataclass(frozen=True)
class Description:
    """A saved model as it would be served."""

    saved: SavedModel
    family: str
    """Empty where none serves the task."""
    rpcs: tuple[str, ...]
    """As "Service/Method", in the package savor.v1."""
    config: Mapping[str, Any]
    """The model_config that would apply."""
    needs: Mapping[str, str]
    """The switches that must be on for it to load, and why."""
    refusals: tuple[str, ...]
    """What loading would end with."""
    warnings: tuple[str, ...]
    """What the operator should know though it loads."""

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Those of the signature, which alone callers may set."""
        return parameters(self.saved)


def describe(
    saved: SavedModel, trusted: Trust = Trust(), overrides: Mapping[str, Any] | None = None, dtype: str | None = None
) -> Description:
    """Everything that can be said of a model that is to be loaded with this trust, model_config and torch type."""
    families, unserved = _tried(lambda: table.families_of(saved.family_task, saved.inference_task))
    config, broken = _tried(lambda: effective_config(saved, overrides or {}))
    _, forbidden = _tried(lambda: trust.check(saved, trusted))
    options, ignored = config or ({}, ())
    needs = trust.needs(saved)
    allowed = tuple(f"{switch} is on: {why}" for switch, why in needs.items() if getattr(trusted, switch))
    return Description(
        saved=saved,
        family=families[0].name if families else "",
        rpcs=table.rpcs_of(saved.family_task) if families else (),
        config=options,
        needs=needs,
        refusals=(*unserved, *forbidden, *broken, *soundness.flaws(saved, dtype)),
        warnings=(*allowed, *ignored, *findings.of(saved)),
    )


def parameters(saved: SavedModel) -> tuple[Parameter, ...]:
    """The parameters of a model's signature."""
    return tuple(Parameter(spec.name, _type(spec), spec.default) for spec in saved.params_schema or ())


def _type(spec: Any) -> str:
    return f"{getattr(spec.dtype, 'name', None) or 'object'}{'[]' if spec.shape else ''}"


def _tried(function: Callable[[], ResultT]) -> tuple[ResultT | None, tuple[str, ...]]:
    """What a function gives, or what it was refused with."""
    try:
        return function(), ()
    except LoadRefused as error:
        return None, (str(error),)
