"""Every task as MLflow's scoring server answers for it: a body in, a body out, defects included.

MLflow's own `PyFuncModel` and scoring functions run over the loaded pipeline, as an item on the model's thread. What
the pipeline may reach and how much it may do is `guarded`'s; all else is MLflow's.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from savor.flavor.artifact import Artifact
from savor.flavor.errors import InvalidInput, SavorError, Violation, WrongFamily
from savor.flavor.family import Family, Method, Tasks
from savor.flavor.guarded import guarded
from savor.flavor.item import Item, Prepared, Row, Whole, solo
from savor.flavor.probe import Probe

_CONTENT_TYPES = {"json": "application/json", "csv": "text/csv", "parquet": "application/vnd.apache.parquet"}
_BYTES_PER_TOKEN = 4
_HEAD, _TAIL = 160, 320
"""Characters that stay of a message: MLflow repeats the whole request in the middle of its own words."""

_TROUBLE = ("out of memory", "can't allocate memory", "CUDA error")
"""By these words torch says that the machine failed, and not the request."""


@dataclass(frozen=True)
class PredictRequest:
    """The body of a request to the scoring server: exactly one of the fields is set."""

    json: str | None = None
    csv: str | None = None
    parquet: bytes | None = None


@dataclass(frozen=True)
class PredictResponse:
    """The body of the scoring server's answer."""

    json: str


def prepare(request: PredictRequest, artifact: Artifact) -> Prepared:
    """The body as one item, which MLflow reads, runs and answers in one go."""
    given = {name: body for name in _CONTENT_TYPES if (body := getattr(request, name)) is not None}
    if len(given) != 1:
        raise InvalidInput.at("json", "is missing: set json, csv or parquet")
    [(field, body)] = given.items()
    data = body.encode() if isinstance(body, str) else body
    return Prepared((item(lambda: _scored(data, field, artifact), len(data)),), _decode)


def item(call: Callable[[], Row], size: int) -> Item:
    """A call of MLflow's model as an item; `size` is its data's, in bytes."""
    return Item({}, max(1, size // _BYTES_PER_TOKEN), Whole(call), alike=solo())


def model(artifact: Artifact) -> Any:
    """The artifact as `mlflow.pyfunc.load_model` gives it. Nothing that a call leaves on it is seen by the next."""
    from mlflow.pyfunc import PyFuncModel

    loaded = artifact.once(_load)
    wrapper = loaded.wrapper(loaded.pipeline, artifact.saved.flavor, artifact.config, artifact.saved.prompt_template)
    return PyFuncModel(model_meta=loaded.meta, model_impl=wrapper, model_id=loaded.meta.model_id)


@dataclass(frozen=True)
class _Loaded:
    """What the calls of one model share."""

    meta: Any
    pipeline: Any
    wrapper: Any


def _load(artifact: Artifact) -> _Loaded:
    import mlflow.transformers
    from mlflow.models import Model

    if not artifact.saved.pyfunc:
        raise WrongFamily("the model has no python_function flavor: mlflow.pyfunc does not serve it")
    wrapper: Any = mlflow.transformers._TransformersWrapper
    # MLflow looks here whether a path exists, and would say so; the pipeline refuses what it may not read.
    ours = type(wrapper.__name__, (wrapper,), {"_validate_str_input_uri_or_file": staticmethod(lambda text: None)})
    return _Loaded(Model.load(str(artifact.saved.path)), guarded(artifact), ours)


def _scored(data: bytes, field: str, artifact: Artifact) -> Row:
    from mlflow.pyfunc import scoring_server

    served = model(artifact)
    schema = served.metadata.get_input_schema()
    answer = refusing(field, lambda: scoring_server.invocations(data, _CONTENT_TYPES[field], served, schema))
    return {"json": np.frombuffer(answer.response.encode(), np.uint8)}


def _decode(rows: Sequence[Row]) -> PredictResponse:
    return PredictResponse(rows[0]["json"].tobytes().decode())


def refusing(field: str, call: Callable[[], Any]) -> Any:
    """What a call of MLflow's gives; what it fails with is the request's fault, unless this machine failed."""
    try:
        return call()
    except Exception as error:
        chain = tuple(_chain(error))
        for cause in chain:
            if _is_machine(cause):
                raise cause from None
        raise _refusal(chain, field) from None


def _refusal(chain: Sequence[BaseException], field: str) -> SavorError:
    ours = next((error for error in chain if isinstance(error, SavorError)), None)
    if isinstance(ours, InvalidInput):
        return InvalidInput(Violation(field, str(ours)))
    if ours is not None:
        return ours
    code = getattr(chain[0], "error_code", "BAD_REQUEST")
    return InvalidInput(Violation(field, _sentence(chain)), details={"mlflow_error_code": code})


def _chain(error: BaseException | None) -> Sequence[BaseException]:
    """An error and those that it was raised for."""
    return [] if error is None else [error, *_chain(error.__cause__ or error.__context__)]


def _sentence(chain: Sequence[BaseException]) -> str:
    """MLflow's message, and what the pipeline itself failed with where the message does not say."""
    whole, raw = _message(chain[0]), chain[-1]
    why = _message(raw) or "it says no more"
    if raw is chain[0] and not hasattr(raw, "error_code"):
        return f"{type(raw).__name__}: {_bounded(why)}"
    return _bounded(whole) if why in whole else f"{_bounded(whole)} ({type(raw).__name__}: {_bounded(why)})"


def _message(error: BaseException) -> str:
    # The words of the operating system and of hubs name this host's paths.
    if isinstance(error, OSError):
        return "a file or a hub that this server does not reach is needed"
    return str(error.args[0] if error.args else error).strip()


def _bounded(text: str) -> str:
    return text if len(text) <= _HEAD + _TAIL else f"{text[:_HEAD]} … {text[-_TAIL:]}"


def _is_machine(error: BaseException) -> bool:
    """Whether the machine failed, not the request: out of memory, or a GPU in trouble."""
    if isinstance(error, MemoryError):
        return not _is_parser(error)
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _TROUBLE)


def _is_parser(error: BaseException) -> bool:
    """Whether Python's own parser gave up: MLflow reads texts as Python, and long ones exhaust the parser's stack."""
    frame, code = None, error.__traceback__
    while code is not None:
        frame, code = code.tb_frame, code.tb_next
    return frame is not None and frame.f_globals.get("__name__") == "ast"


def _probe(artifact: Artifact, probe: Probe = Probe()) -> Prepared:
    # The model's own family warms it.
    return Prepared((), _decode)


def family(tasks: Tasks) -> Family:
    """The family that serves every task of the others."""
    return Family(
        name="pyfunc",
        service="PyfuncService",
        tasks=tasks,
        methods=(Method("Predict", PredictRequest, PredictResponse, prepare),),
        probe=_probe,
    )
