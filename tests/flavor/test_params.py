"""Which options a call runs with: the precedence, and MLflow's own conversions as the oracle."""

import datetime
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mlflow.exceptions import MlflowException
from mlflow.models import infer_signature
from mlflow.models.utils import _enforce_params_schema
from mlflow.types.schema import ParamSchema, ParamSpec

from savor.flavor.errors import InvalidInput, UnsupportedParameter
from savor.flavor.params import Unknown, merge

SCHEMA = ParamSchema([ParamSpec("k", "long", 5), ParamSpec("p", "double", 0.5)])

PRECEDENCE = [
    pytest.param({"x": 1}, None, {}, {"x": 1}, id="the saved config alone"),
    pytest.param({}, SCHEMA, {}, {"k": 5, "p": 0.5}, id="defaults of the schema without a request"),
    pytest.param({"k": 1, "x": 2}, SCHEMA, {}, {"k": 5, "p": 0.5, "x": 2}, id="a default over the saved config"),
    pytest.param({"k": 1}, SCHEMA, {"k": 9}, {"k": 9, "p": 0.5}, id="the request over both"),
    pytest.param({"k": 1}, SCHEMA, {"k": None}, {"k": None, "p": 0.5}, id="a null is a value"),
    pytest.param({"k": 1}, None, {"k": 9}, {"k": 1}, id="without a schema no request parameter counts"),
    pytest.param({"x": 1}, SCHEMA, {"x": 9}, {"x": 1, "k": 5, "p": 0.5}, id="a saved key outside the schema stays"),
]


@pytest.mark.parametrize(("config", "schema", "request_", "expected"), PRECEDENCE)
def test_precedence(config: dict[str, Any], schema: Any, request_: dict[str, Any], expected: dict[str, Any]) -> None:
    options, _ = merge(config, schema, request_, Unknown.DROP)
    assert options == expected


def test_the_merge_is_shallow() -> None:
    schema = infer_signature("a", None, {"kwargs": {"a": 1}}).params
    options, _ = merge({"kwargs": {"b": 2}}, schema, {"kwargs": {"a": 3}}, Unknown.DROP)
    assert options == {"kwargs": {"a": 3}}


def test_the_saved_config_is_left_alone() -> None:
    config = {"k": 1}
    options, _ = merge(config, SCHEMA, {"k": 2}, Unknown.DROP)
    options["new"] = 3
    assert config == {"k": 1}


@pytest.mark.parametrize(
    ("schema", "advice"),
    [
        pytest.param(SCHEMA, "takes k, p only", id="with a schema"),
        pytest.param(None, "takes no parameters", id="without"),
    ],
)
def test_drop_names_what_it_drops(schema: Any, advice: str) -> None:
    options, warnings = merge({}, schema, {"a": 1, "b": None}, Unknown.DROP)
    assert not options.keys() & {"a", "b"}
    assert [warning.split(" ")[0] for warning in warnings] == ["parameters.a", "parameters.b"]
    assert all(advice in warning for warning in warnings)


def test_known_parameters_draw_no_warning() -> None:
    assert merge({}, SCHEMA, {"k": 1, "p": 1}, Unknown.DROP)[1] == ()


@pytest.mark.parametrize("schema", [SCHEMA, None], ids=["with a schema", "without"])
def test_reject_refuses_every_stranger_at_once(schema: Any) -> None:
    with pytest.raises(UnsupportedParameter) as caught:
        merge({}, schema, {"a": 1, "k": 1, "b": 2}, Unknown.REJECT)
    fields = {violation.field for violation in caught.value.violations}
    assert fields == {"parameters.a", "parameters.b"} | (set() if schema else {"parameters.k"})


def test_reject_takes_known_parameters() -> None:
    assert merge({}, SCHEMA, {"k": 1}, Unknown.REJECT) == ({"k": 1, "p": 0.5}, ())


def test_allow_lets_strangers_through_over_the_saved_config() -> None:
    assert merge({"a": 0}, SCHEMA, {"a": [1], "k": 2}, Unknown.ALLOW) == ({"a": [1], "k": 2, "p": 0.5}, ())


def test_allow_works_without_a_schema() -> None:
    assert merge({"a": 0}, None, {"a": 1}, Unknown.ALLOW) == ({"a": 1}, ())


@pytest.mark.parametrize("unknown", list(Unknown), ids=str)
def test_every_value_of_a_wrong_type_is_named_at_once(unknown: Unknown) -> None:
    with pytest.raises(InvalidInput) as caught:
        merge({}, SCHEMA, {"k": 2.0, "p": "high"}, unknown)
    problems = {violation.field: violation.problem for violation in caught.value.violations}
    assert problems == {
        "parameters.k": "2.0 does not fit its type, long",
        "parameters.p": "'high' does not fit its type, double",
    }
    assert not isinstance(caught.value, UnsupportedParameter)


def test_a_long_value_is_cut_in_the_message() -> None:
    with pytest.raises(InvalidInput) as caught:
        merge({}, SCHEMA, {"k": "x" * 10_000}, Unknown.DROP)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("default", "value", "wanted"),
    [
        pytest.param([1], 1, "long[]", id="a list"),
        pytest.param(True, 1, "boolean", id="a boolean"),
        pytest.param("a", 1, "string", id="a string"),
    ],
)
def test_the_wanted_type_is_named(default: Any, value: Any, wanted: str) -> None:
    schema = infer_signature("a", None, {"x": default}).params
    with pytest.raises(InvalidInput, match=f"does not fit its type, {wanted}".replace("[]", r"\[\]")):
        merge({}, schema, {"x": value}, Unknown.DROP)


# SEMANTICS 3.3, by hand: value and schema type to the value that the pipeline gets.
ACCEPTED = [
    pytest.param(2, "long", 2, id="an integer for a long"),
    pytest.param(2, "integer", 2, id="an integer"),
    pytest.param(1, "double", 1.0, id="an integer for a double"),
    pytest.param(1, "float", 1.0, id="an integer for a float"),
    pytest.param(np.int64(3), "long", 3, id="a numpy integer"),
    pytest.param(np.float32(0.5), "double", 0.5, id="a numpy float"),
    pytest.param(None, "long", None, id="None for a long"),
    pytest.param(None, "boolean", None, id="None for a boolean"),
    pytest.param(False, "boolean", False, id="a boolean"),
    pytest.param("x", "string", "x", id="a string"),
    pytest.param("2020-02-03", "datetime", datetime.date(2020, 2, 3), id="ISO text for a date"),
]
REJECTED = [
    pytest.param(2.0, "long", id="2.0 for a long"),
    pytest.param(True, "long", id="a boolean for a long"),
    pytest.param(True, "double", id="a boolean for a double"),
    pytest.param("1", "long", id="text for a long"),
    pytest.param(1, "string", id="a number for a string"),
    pytest.param(1, "boolean", id="an integer for a boolean"),
    pytest.param([1], "long", id="a list for a scalar"),
    pytest.param("tomorrow", "datetime", id="no date"),
]
_DEFAULTS: dict[str, Any] = {
    "long": 0,
    "integer": 0,
    "double": 0.0,
    "float": 0.0,
    "boolean": True,
    "string": "",
    "datetime": datetime.date(2000, 1, 1),
}


@pytest.mark.parametrize(("value", "kind", "expected"), ACCEPTED)
def test_accepted_conversions(value: Any, kind: str, expected: Any) -> None:
    options, _ = merge({}, ParamSchema([ParamSpec("x", kind, _DEFAULTS[kind])]), {"x": value}, Unknown.DROP)
    assert options["x"] == expected
    assert type(options["x"]) is type(expected)


@pytest.mark.parametrize(("value", "kind"), REJECTED)
def test_rejected_conversions(value: Any, kind: str) -> None:
    with pytest.raises(InvalidInput, match=r"parameters\.x"):
        merge({}, ParamSchema([ParamSpec("x", kind, _DEFAULTS[kind])]), {"x": value}, Unknown.DROP)


def test_nan_is_a_double() -> None:
    assert math.isnan(merge({}, SCHEMA, {"p": math.nan}, Unknown.DROP)[0]["p"])


_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=3),
    st.sampled_from(["2020-02-03", "2020-02-03T04:05:06", "1", "1.5", "true"]),
    st.integers(-9, 9).map(np.int32),
    st.integers(-9, 9).map(np.int64),
    st.floats(width=32).map(np.float32),
    st.floats().map(np.float64),
    st.booleans().map(np.bool_),
    st.binary(max_size=2),
)
_VALUES = st.one_of(
    _SCALARS,
    st.lists(_SCALARS, max_size=3),
    st.lists(st.lists(_SCALARS, max_size=2), max_size=2),
    st.lists(st.integers(-9, 9), max_size=3).map(tuple),
    st.lists(st.integers(-9, 9), max_size=3).map(np.array),
    st.dictionaries(st.sampled_from("ab"), _SCALARS, max_size=2),
)
_SPECS = {
    **{kind: ParamSpec(kind, kind, default) for kind, default in _DEFAULTS.items()},
    **{f"{kind}s": ParamSpec(f"{kind}s", kind, [default], (-1,)) for kind, default in _DEFAULTS.items()},
    "object": infer_signature("a", None, {"object": {"a": 1, "b": "x"}}).params.params[0],
}


def _exact(value: object) -> str:
    """Representations tell 1, 1.0, True and numpy's numbers apart, which equality does not; nan equals itself."""
    if isinstance(value, dict | list):
        parts = value.items() if isinstance(value, dict) else enumerate(value)
        return repr([(key, _exact(item)) for key, item in parts])
    return f"{type(value).__name__} {value!r}"


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from([*_SPECS, "stranger"]), _VALUES, max_size=4))
@example({"longs": np.array([1, 2])})
@example({"longs": [[1], [1, 2]]})
@example({"doubles": [1, None, 0.5]})
@example({"longs": (1, 2)})
@example({"object": {"a": 1}})
@example({"object": {"a": 1, "b": "x", "c": 2}})
@example({"object": None})
@example({"long": 2**63})
def test_as_mlflow(request_: dict[str, Any]) -> None:
    """What `mlflow.pyfunc` accepts is accepted with the same value and type, and what it refuses is refused."""
    schema = ParamSchema(list(_SPECS.values()))
    try:
        expected = _enforce_params_schema(dict(request_), schema)
    except (MlflowException, ValueError, TypeError, OverflowError):
        with pytest.raises(InvalidInput):
            merge({}, schema, request_, Unknown.DROP)
        return
    options, _ = merge({}, schema, request_, Unknown.DROP)
    assert {key: _exact(value) for key, value in options.items()} == {k: _exact(v) for k, v in expected.items()}
