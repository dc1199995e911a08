"""PyfuncService against MLflow's scoring server: the same bytes for the same body, for every way of saving and of asking.

Only real numbers may differ, by 1e-6; what MLflow refuses is refused with its code and its words.
"""

import json
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlflow.pyfunc import scoring_server

from savor.client import Client
from tests.parity import cases, models, texts
from tests.parity.agreement import Body, agree_in_words, of_mlflow, of_savor
from tests.parity.doors import DOORS
from tests.parity.models import Variant
from tests.parity.oracle import pyfunc

WAYS = [pytest.param(variant, turn, id=variant.name) for turn, variant in enumerate(models.VARIANTS)]
TAKING_PARAMS = [
    pytest.param(variant, turn, id=variant.name)
    for turn, variant in enumerate(models.VARIANTS)
    if variant.way in ("explicit", "inferred-params")
]
SIMPLEST = [pytest.param(variant, id=variant.name) for variant in models.VARIANTS if variant.way == "default"]
DRAWN = [pytest.param(variant, id=variant.name) for variant in models.VARIANTS if variant.door in texts.INPUTS]
WRONG = {
    "no JSON": "{",
    "nothing": "",
    "no object": '["a"]',
    "no data": "{}",
    "two kinds of data": '{"inputs": ["a"], "instances": ["a"]}',
    "no inputs": '{"inputs": []}',
    "null": '{"inputs": null}',
    "numbers": '{"inputs": [1, 2.5]}',
    "nulls": '{"inputs": [null]}',
    "lists": '{"inputs": [["a", "b"], ["c"]]}',
    "other columns": '{"dataframe_records": [{"first": "a", "second": "b"}]}',
    "no columns": '{"dataframe_split": {"data": [["a"]]}}',
    "params that are none": '{"inputs": ["a"], "params": [1]}',
}


def check(client: Client, variant: Variant, body: str | bytes, *, csv: bool = False) -> None:
    """The body as JSON, or as CSV, through both doors."""
    loaded = pyfunc(str(models.saved(variant)))
    kind, given = ("text/csv", {"csv": body}) if csv else ("application/json", {"body": body})
    schema = loaded.metadata.get_input_schema()
    theirs = of_mlflow(lambda: Body(scoring_server.invocations(body, kind, loaded, schema).response))
    agree_in_words("exact", of_savor(lambda: Body(client.predict(**given, model=variant.name).json)), theirs)


def rows(variant: Variant, turn: int) -> list[Any]:
    """The rows of one of the door's inputs."""
    inputs = cases.INPUTS[variant.door]
    return DOORS[variant.door].rows(inputs[turn % len(inputs)])


def bodies(data: Sequence[Any]) -> Iterator[dict[str, Any]]:
    """The forms in which the scoring server takes rows of data."""
    records = [row if isinstance(row, dict) else {"text": row} for row in data]
    yield {"inputs": data}
    yield {"inputs": data[0]}
    yield {"instances": data}
    yield {"dataframe_records": records}
    yield {"dataframe_split": {"columns": list(records[0]), "data": [list(record.values()) for record in records]}}
    yield records[0]


def written(body: object) -> str:
    return json.dumps(body, default=_plain)


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else b64encode(value).decode()


@pytest.mark.parametrize(("variant", "turn"), WAYS)
def test_every_form(client_of: Callable[[str], Client], variant: Variant, turn: int, subtests: pytest.Subtests) -> None:
    for body in bodies(rows(variant, turn) or [""]):
        with subtests.test(f"{body!r:.100}"):
            check(client_of(variant.door), variant, written(body))


@pytest.mark.parametrize(("variant", "turn"), TAKING_PARAMS)
def test_params(client_of: Callable[[str], Client], variant: Variant, turn: int, subtests: pytest.Subtests) -> None:
    for step, params in enumerate(cases.params_of(variant)):
        with subtests.test(f"{params}"):
            body = {"inputs": rows(variant, turn + step), "params": params}
            check(client_of(variant.door), variant, written(body))


@pytest.mark.parametrize("variant", SIMPLEST)
@pytest.mark.parametrize("body", WRONG.values(), ids=WRONG)
def test_what_is_wrong(client_of: Callable[[str], Client], variant: Variant, body: str) -> None:
    check(client_of(variant.door), variant, body)


@pytest.mark.parametrize("variant", SIMPLEST)
def test_tables(client_of: Callable[[str], Client], variant: Variant) -> None:
    frame = pd.DataFrame([row if isinstance(row, dict) else {"text": row} for row in rows(variant, 0)])
    check(client_of(variant.door), variant, frame.map(_cell).to_csv(index=False), csv=True)


def _cell(value: Any) -> Any:
    return value if isinstance(value, str) else written(value)


@pytest.mark.parametrize("variant", [each for each in DRAWN if "inferred" not in str(each.id)])
@settings(max_examples=5)
@given(data=st.data())
def test_drawn_inputs(client_of: Callable[[str], Client], variant: Variant, data: st.DataObject) -> None:
    drawn = DOORS[variant.door].rows(data.draw(texts.INPUTS[variant.door]))
    body = data.draw(st.sampled_from(list(bodies(drawn))))
    check(client_of(variant.door), variant, written(body))
