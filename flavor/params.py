"""Which options a call runs with: model_config, signature defaults and request parameters under MLflow's rules.

The order is MLflow's: model_config < defaults of the signature's params schema < request. Without a schema no request
parameter counts; with one, only its keys do. `drop` keeps to that with a warning, `reject` refuses what would be
dropped, `allow` lets it through unchecked.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from savor.flavor.errors import InvalidInput, UnsupportedParameter, Violation


class Unknown(StrEnum):
    """What happens to request parameters outside the model's params schema."""

    DROP = "drop"
    REJECT = "reject"
    ALLOW = "allow"


def merge(
    config: Mapping[str, Any], schema: Any, request: Mapping[str, Any], unknown: Unknown
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The options of a call, and warnings that name what was dropped.

    `schema` is an `mlflow.types.schema.ParamSchema` or None. Raises InvalidInput with every value of a wrong type at
    once, as `mlflow.pyfunc` does, and UnsupportedParameter where unknown keys are rejected. The merge is shallow; a
    null is a value.
    """
    specs = {spec.name: spec for spec in schema.params} if schema is not None else {}
    strangers = {key: value for key, value in request.items() if key not in specs}
    if strangers and unknown is Unknown.REJECT:
        raise UnsupportedParameter(*(Violation(f"parameters.{key}", _advice(schema)) for key in strangers))
    known = {key: value for key, value in request.items() if key in specs}
    options = {**config, **{name: spec.default for name, spec in specs.items()}, **_enforce(known, specs)}
    if unknown is Unknown.ALLOW:
        return {**options, **strangers}, ()
    return options, tuple(f"parameters.{key} was ignored: {_advice(schema)}" for key in strangers)


def _advice(schema: Any) -> str:
    if schema is None:
        return "the model's signature takes no parameters; save it with params in its input example or signature"
    return f"the model's signature takes {', '.join(spec.name for spec in schema.params)} only"


def _enforce(values: Mapping[str, Any], specs: Mapping[str, Any]) -> dict[str, Any]:
    """The values as MLflow converts them: an integer fits a double, 2.0 does not fit a long, None fits any scalar."""
    from mlflow.exceptions import MlflowException
    from mlflow.types.schema import ParamSpec

    enforced, violations = {}, []
    for name, value in values.items():
        try:
            enforced[name] = ParamSpec.validate_param_spec(value, specs[name])
        except (MlflowException, ValueError, TypeError):
            spec = specs[name]
            wanted = f"{getattr(spec.dtype, 'name', spec.dtype)}{'[]' if spec.shape else ''}"
            violations.append(Violation(f"parameters.{name}", f"{value!r:.80} does not fit its type, {wanted}"))
    if violations:
        raise InvalidInput(*violations)
    return enforced
