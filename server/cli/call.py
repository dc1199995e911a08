"""`savor call`: asks the server which family a model is of, and calls and prints as the table of families says."""

import time
from typing import Any

from google.protobuf import descriptor_pool
from google.protobuf.descriptor import MethodDescriptor

from savor.client import Client, Model, Stream
from savor.server.cli.failures import NotNow, Unusable, connected
from savor.server.cli.families import FAMILIES, Family, Rpc
from savor.server.cli.footer import show_footer
from savor.server.cli.inputs import Input, paired
from savor.server.cli.json_lines import print_line
from savor.server.cli.options import Option, options_of, read_options
from savor.server.cli.request import CallRequest
from savor.server.cli.screen import open_screen

_PACKAGE = "savor.v1."


def run(request: CallRequest, server: str, timeout_s: float, *, as_json: bool) -> None:
    """Calls a model and prints what it answers. Raises typer.Exit where that fails."""
    screen = open_screen()
    with connected(server, timeout_s) as client:
        request.check()
        parameters = request.parameters()
        model = client.get_model(request.model).model
        family = _family(model)
        method = _method(model, family, request.rpc, whole=as_json)
        inputs, options = _compose(request, family, method)
        rpc = family.rpcs[method.name]
        began_s = time.perf_counter()
        answer = _send(rpc, client, inputs, model=request.model, parameters=parameters, **options)
        if as_json:
            _print_json(answer)
            return
        reply = rpc.show(screen, inputs, answer)
        show_footer(screen, reply, time.perf_counter() - began_s)


def _family(model: Model) -> Family:
    if not model.family:
        raise NotNow(f"{model.name} is still loading: try again soon; `savor models` shows how far it is")
    if model.family not in FAMILIES:
        raise NotNow(f"{model.name} is of the family {model.family}, which this version does not know: update savor")
    return FAMILIES[model.family]


def _method(model: Model, family: Family, wanted: str | None, *, whole: bool) -> MethodDescriptor:
    """The RPC that was asked for, else the family's first that the model answers, streams left out for `whole`."""
    paths = {path.rpartition("/")[2]: path for path in model.methods if path.startswith(_PACKAGE)}
    served = {name: _described(paths[name]) for name in family.rpcs if name in paths}
    if wanted is not None and wanted not in served:
        raise Unusable(f"{model.name} ({model.family}) has no RPC {wanted}: use {' or '.join(served) or 'none'}")
    suitable = [method for method in served.values() if not (whole and method.server_streaming)]
    if wanted is None and not suitable:
        raise NotNow(f"{model.name} answers {', '.join(paths) or 'no RPC'}, which this version does not know")
    return served[wanted] if wanted is not None else suitable[0]


def _described(path: str) -> MethodDescriptor:
    return descriptor_pool.Default().FindMethodByName(path.replace("/", "."))


def _compose(request: CallRequest, family: Family, method: MethodDescriptor) -> tuple[list[Input], dict[str, Any]]:
    """The inputs and the request's fields."""
    known = options_of(method)
    if family.second_text:
        known[family.second_text] = Option(family.second_text, "TEXT", str)
    options = read_options(request.options, known, method)
    inputs = family.read(request)
    if family.second_text in options:
        inputs = paired(inputs, family.second_text, options.pop(family.second_text))
    if not inputs:
        raise Unusable("no input: what was read holds no line")
    return inputs, options


def _send(rpc: Rpc, client: Client, inputs: list[Input], **arguments: Any) -> Any:
    try:
        return rpc.send(client, [each.value for each in inputs], **arguments)
    except UnicodeError:
        raise
    except (TypeError, ValueError) as error:
        # The client's own words for arguments that no request can hold.
        raise Unusable(str(error)) from None


def _print_json(answer: Any) -> None:
    for reply in answer if isinstance(answer, Stream) else [answer]:
        print_line(reply)
