"""A request for a stream in OpenAI's words, read into the call of the one RPC that streams it for the model.

Options go to the server by transformers' names, and the server judges them under MLflow's rules.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import TEMPORARILY_UNAVAILABLE

from savor.client import Client, Model, ModelState
from savor.deployments.chunks import Shape, chat, chunks, completion
from savor.deployments.failures import as_mlflow, unusable

_TRANSFORMERS_NAMES: Mapping[str, str] = {
    "max_tokens": "max_new_tokens",
    "max_completion_tokens": "max_new_tokens",
    "n": "num_return_sequences",
}
# What OpenAI's callers say of the stream itself: it streams, and each chunk has its usage.
_UNDERSTOOD = ("stream", "stream_options")


@dataclass(frozen=True)
class _Rpc:
    """The client's method of an RPC that streams, and what of the options is a field of its request."""

    open: Callable[..., Any]
    fields: tuple[str, ...] = ("stop", "seed")


_Rpcs: TypeAlias = Mapping[str, _Rpc]

_CHATS: _Rpcs = {"StreamCompleteChat": _Rpc(Client.stream_complete_chat)}
_TEXTS: _Rpcs = {
    "StreamGenerateText": _Rpc(Client.stream_generate_text),
    "StreamTransformText": _Rpc(Client.stream_transform_text),
    "StreamSummarizeText": _Rpc(Client.stream_summarize_text),
    "StreamTranslateText": _Rpc(Client.stream_translate_text, ("stop", "seed", "source_language", "target_language")),
}


@dataclass(frozen=True)
class _Form:
    """A form of request: how its data is read, the RPCs that may answer it, and the shape of their chunks."""

    read: Callable[[Any, str], Any]
    rpcs: _Rpcs
    shape: Shape


@dataclass(frozen=True)
class StreamRequest:
    """What a caller asks of a model: the data under its key, in the client's words, and the options."""

    model: str
    key: str
    data: Any
    options: Mapping[str, Any]


def read(inputs: Any, model: str) -> StreamRequest:
    """The request in `inputs` to the model of this name. Raises MlflowException for what no stream can be asked for."""
    match inputs:
        case dict() if len(keys := _FORMS.keys() & inputs.keys()) == 1:
            [key] = keys
            rest = {name: value for name, value in inputs.items() if name != key}
            return StreamRequest(model, key, _FORMS[key].read(inputs[key], key), _options(rest))
    raise unusable(f"inputs must be a dict with exactly one of {', '.join(_FORMS)}, and options")


def opened(client: Client, served: Model, request: StreamRequest, timeout_s: float) -> Iterator[dict[str, Any]]:
    """The chunks of a call that is made now; `served` is what the server tells of the model."""
    form = _FORMS[request.key]
    rpc = _rpc(served, request.key, form.rpcs)
    set_fields = [name for name in rpc.fields if request.options.get(name) is not None]
    fields = {name: _field(name, request.options[name]) for name in set_fields}
    parameters = {name: value for name, value in request.options.items() if name not in rpc.fields}
    with as_mlflow():
        stream = rpc.open(
            client, [request.data], model=request.model, parameters=parameters, timeout_s=timeout_s, **fields
        )
    return chunks(stream, request.model or served.name, form.shape)


def _rpc(model: Model, key: str, rpcs: _Rpcs) -> _Rpc:
    if model.state is ModelState.LOADING:
        raise MlflowException(f"the model {model.name} is still loading", TEMPORARILY_UNAVAILABLE)
    served = {method.rpartition("/")[2] for method in model.methods}
    for name, rpc in rpcs.items():
        if name in served:
            return rpc
    raise unusable(f"the model {model.name} (task {model.task}) can't stream an answer to {key}: call predict")


def _options(rest: Mapping[str, Any]) -> dict[str, Any]:
    params: Mapping[str, Any] = rest.get("params") or {}
    if not isinstance(params, dict):
        raise unusable("params must be a dict of options")
    # As in MLflow's payloads, a null beside the data is no value; in params it is one.
    beside = {name: value for name, value in rest.items() if name not in ("params", *_UNDERSTOOD) and value is not None}
    options: dict[str, Any] = {}
    for name, value in [*beside.items(), *params.items()]:
        known = _TRANSFORMERS_NAMES.get(name, name)
        if known in options:
            raise unusable(f"{name}: {known} is given twice")
        options[known] = value
    return options


def _field(name: str, value: Any) -> Any:
    match name, value:
        case "seed", int():
            return value
        case "stop", list() if all(isinstance(text, str) for text in value):
            return value
        case (("stop" | "source_language" | "target_language"), str()):
            return value
    raise unusable(f"{name}: {value!r} can't be used; a seed is an integer, stop a text or a list, a language a text")


def _text(given: Any, key: str) -> str:
    match given:
        case str():
            return given
        case [str() as text]:
            return text
    raise unusable(f"{key} must be one text: a stream answers one, so call predict, or once for each")


def _conversation(given: Any, key: str) -> list[Any]:
    match given:
        case list() if all(isinstance(message, dict) for message in given):
            # MLflow's and OpenAI's own message classes write the fields that are not set as nulls.
            return [{name: value for name, value in message.items() if value is not None} for message in given]
    raise unusable(f"{key} must be a list of dicts of role and content")


_FORMS: Mapping[str, _Form] = {
    "messages": _Form(_conversation, _CHATS, chat),
    "prompt": _Form(_text, _TEXTS, completion),
    "inputs": _Form(_text, _TEXTS, completion),
}
