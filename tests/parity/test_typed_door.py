"""The typed RPCs against mlflow.pyfunc: the same answer to the same inputs and params, however the model was saved."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from savor.client import Client
from tests.parity import cases, models, texts
from tests.parity.agreement import agree, of_mlflow, of_savor
from tests.parity.doors import DOORS
from tests.parity.models import Variant
from tests.parity.oracle import pyfunc

CASES = [
    pytest.param(variant, params, turn, id=f"{variant.name} {params}")
    for variant in models.VARIANTS
    for turn, params in enumerate(cases.params_of(variant))
]


def check(client: Client, variant: Variant, inputs: Any, params: dict[str, Any]) -> None:
    door = DOORS[variant.door]
    predict = partial(pyfunc(str(models.saved(variant))).predict, params=params or None)
    ours = of_savor(lambda: door.ours(client, variant.name, inputs, params))
    agree("typed", ours, of_mlflow(lambda: door.theirs(predict, inputs)))


@pytest.mark.parametrize(("variant", "params", "turn"), CASES)
def test_picked_inputs(
    client_of: Callable[[str], Client], variant: Variant, params: dict[str, Any], turn: int, subtests: pytest.Subtests
) -> None:
    for inputs in cases.inputs_of(variant, turn):
        with subtests.test(f"{inputs!r:.100}"):
            check(client_of(variant.door), variant, inputs, params)


DRAWN = [
    pytest.param(variant, id=variant.name)
    for variant in models.VARIANTS
    if variant.door in texts.INPUTS and variant.way in ("config", "config-template")
]


@pytest.mark.parametrize("variant", DRAWN)
@settings(max_examples=12)
@given(data=st.data())
def test_drawn_inputs(client_of: Callable[[str], Client], variant: Variant, data: st.DataObject) -> None:
    check(client_of(variant.door), variant, data.draw(texts.INPUTS[variant.door]), {})
