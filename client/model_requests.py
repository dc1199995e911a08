"""What concerns any model: what is served, and MLflow's own door. The arguments, and the request that they make."""

import json
from pathlib import Path

from savor.client.requests import Request, request


def list_models(*, timeout_s: float | None = None) -> Request:
    """Every model in service or on its way there."""
    return request(timeout_s)


def get_model(model: str = "", *, timeout_s: float | None = None) -> Request:
    """One model with everything that callers may want to know of it. Raises NotFound for an unknown one."""
    return request(timeout_s, model=model)


def predict(
    body: object = None,
    *,
    csv: str | Path | None = None,
    parquet: bytes | Path | None = None,
    model: str = "",
    timeout_s: float | None = None,
) -> Request:
    """What MLflow's scoring server would answer, for a model of any family.

    `body` is the request as for /invocations, such as {"inputs": ["a"], "params": {"top_k": 2}}: what json.dumps takes,
    or JSON as str or bytes. In its place, `csv` is a table as text with a line of column names and `parquet` a Parquet
    file's bytes; a pathlib.Path of either is read here. Raises OSError where it can't be read.
    """
    given = {"body": body, "csv": csv, "parquet": parquet}
    if sum(value is not None for value in given.values()) != 1:
        raise ValueError("give one of body, csv and parquet")
    table = csv.read_bytes().decode("utf-8-sig") if isinstance(csv, Path) else csv
    file = parquet.read_bytes() if isinstance(parquet, Path) else parquet
    return request(timeout_s, model=model, json=None if body is None else _json(body), csv=table, parquet=file)


def _json(body: object) -> str:
    match body:
        case str():
            return body
        case bytes() | bytearray():
            return bytes(body).decode("utf-8")
    return json.dumps(body)
