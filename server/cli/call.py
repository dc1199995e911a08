"""`savor call`: asks the server which family a model is of, and calls and prints as the table of families says."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf import descriptor_pool
from google.protobuf.descriptor import MethodDescriptor

from savor.client import Client, Model, Stream
from savor.server.cli.connection import Connection, connected
from savor.server.cli.failures import NotNow, Unusable
from savor.server.cli.families import FAMILIES, RPCS, Rpc
from savor.server.cli.footer import show_footer
from savor.server.cli.inputs import Input
from savor.server.cli.json_lines import print_line
from savor.server.cli.options import options_of, read_options, required, takes_parameters
from savor.server.cli.request import CallRequest
from savor.server.cli.screen import open_screen

_PACKAGE = "savor.v1."


def run(request: CallRequest, connection: Connection, *, as_json: bool) -> None:
    """Calls a model and prints what it answers. Raises typer.Exit where that fails."""
    screen = open_screen()
    with connected(connection) as client:
        request.check()
        parameters = request.parameters()
        model = client.get_model(request.model).model
        method = _method(model, request.rpc, whole=as_json)
        rpc = RPCS[method.name]
        inputs, options = _compose(request, rpc, method)
        began_s = time.perf_counter()
        answer = _send(rpc, client, inputs, {"model": request.model, **_given(parameters, rpc, method), **options})
        if as_json:
            _print_json(answer)
            return
        reply = rpc.show(screen, inputs, answer)
        show_footer(screen, reply, time.perf_counter() - began_s)


def _method(model: Model, wanted: str | None, *, whole: bool) -> MethodDescriptor:
    """The RPC that was asked for, else the first of its family that the model answers, without streams for `whole`."""
    paths = {path.rpartition("/")[2]: path for path in model.methods if path.startswith(_PACKAGE)}
    if wanted is not None and wanted in RPCS and wanted in paths:
        return _described(paths[wanted])
    if not model.family:
        raise NotNow(f"{model.name} is still loading: try again soon; `savor models` shows how far it is")
    if wanted is not None:
        known = [name for name in RPCS if name in paths]
        raise Unusable(f"{model.name} ({model.family}) has no RPC {wanted}: use {' or '.join(known) or 'none'}")
    return _preferred(model, paths, whole=whole)


def _preferred(model: Model, paths: Mapping[str, str], *, whole: bool) -> MethodDescriptor:
    if model.family not in FAMILIES:
        raise NotNow(f"{model.name} is of the family {model.family}, which this version does not know: update savor")
    served = [_described(paths[name]) for name in FAMILIES[model.family] if name in paths]
    suitable = [method for method in served if not (whole and method.server_streaming)]
    if not suitable:
        raise NotNow(f"{model.name} answers {', '.join(paths) or 'no RPC'}, which this version does not know")
    return suitable[0]


def _described(path: str) -> MethodDescriptor:
    return descriptor_pool.Default().FindMethodByName(path.replace("/", "."))


def _compose(request: CallRequest, rpc: Rpc, method: MethodDescriptor) -> tuple[list[Input], dict[str, Any]]:
    """The inputs and the request's fields."""
    known = options_of(method) | {option.name: option for option in rpc.options}
    options = read_options(request.options, known, method)
    for name in required(rpc.send) - options.keys():
        raise Unusable(f"{method.name} needs --option {known[name]}")
    inputs = rpc.read(request)
    for option in rpc.options:
        if option.join and option.name in options:
            inputs = option.join(inputs, options.pop(option.name))
    _check(inputs, rpc, method)
    return inputs, options


def _check(inputs: Sequence[Input], rpc: Rpc, method: MethodDescriptor) -> None:
    if not inputs:
        raise Unusable("no input: what was read holds no line")
    if rpc.single and len(inputs) > 1:
        raise Unusable(f"{method.name} takes one input, not {len(inputs)}")
    for each in inputs:
        if each.lacks:
            raise Unusable(f"{each.shown!r} needs {each.lacks}")


def _given(parameters: Mapping[str, Any], rpc: Rpc, method: MethodDescriptor) -> dict[str, Any]:
    """The parameters as an argument, for RPCs that have any."""
    if takes_parameters(rpc.send):
        return {"parameters": parameters}
    if parameters:
        raise Unusable(f"{method.name} has no --param: put them into the input, as its params")
    return {}


def _send(rpc: Rpc, client: Client, inputs: Sequence[Input], arguments: Mapping[str, Any]) -> Any:
    values = [each.value for each in inputs]
    try:
        return rpc.send(client, values[0] if rpc.single else values, **arguments)
    except UnicodeError:
        raise
    except (TypeError, ValueError) as error:
        # The client's own words for arguments that no request can hold.
        raise Unusable(str(error)) from None


def _print_json(answer: Any) -> None:
    for reply in answer if isinstance(answer, Stream) else [answer]:
        print_line(reply)
