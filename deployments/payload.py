"""Inputs as MLflow's users pass them, as a body for the scoring server: what already is one goes as it is."""

import json

import numpy as np
import pandas as pd
from mlflow.utils.proto_json_utils import NumpyEncoder

from savor.deployments.failures import unusable

DATA_KEYS = frozenset({"inputs", "instances", "dataframe_split", "dataframe_records"})
UNIFIED_KEYS = frozenset({"messages", "prompt", "input"})


def body(inputs: object) -> str:
    """The request's JSON; arrays become lists and bytes base64, as MLflow's own clients write them."""
    try:
        return json.dumps(_payload(inputs), cls=NumpyEncoder)
    except (TypeError, ValueError) as error:
        raise unusable(f"inputs can't be written as JSON: {error}") from error


def _payload(inputs: object) -> object:
    match inputs:
        case None:
            raise unusable("inputs is missing: give a data frame, an array, a dict, a list or a text")
        case dict() if inputs.keys() & (DATA_KEYS | UNIFIED_KEYS):
            return inputs
        case pd.DataFrame():
            return {"dataframe_split": inputs.to_dict(orient="split")}
        case pd.Series() | np.ndarray():
            return {"inputs": inputs.tolist()}
    return {"inputs": inputs}
