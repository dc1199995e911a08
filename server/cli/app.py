"""The commands and their flags. Each imports what it needs when it runs, so that `--help` stays quick."""

from pathlib import Path
from typing import Annotated

import typer

from savor.server.cli import cache, saved_models

app = typer.Typer(
    help="A gRPC inference server for MLflow transformers models.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Server = Annotated[
    str, typer.Option("--server", "-s", metavar="HOST:PORT", envvar="SAVOR_TARGET", help="The server to call.")
]
Timeout = Annotated[float, typer.Option("--timeout", min=0, help="Seconds to wait for the answer.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables: an object a line.")]

Ca = Annotated[
    Path | None, typer.Option("--ca", help="Encrypt the channel and trust this PEM file's root certificates.")
]
Cert = Annotated[
    Path | None, typer.Option("--cert", help="Encrypt the channel and show this PEM file's certificate, with --key.")
]
Key = Annotated[Path | None, typer.Option("--key", help="The private key of --cert, a PEM file.")]

_CALL_HELP = "\n\n".join(
    (
        "Call a model and print its answer; text is printed as it is generated.",
        "Each INPUT is one text, or the path or URL of one recording or image. - reads stdin and --file a file: each "
        "line is one text, an empty line too, or the whole is one recording or image.",
        "Where a model takes two texts, a TAB in such a line parts them. For one text, --option text_pair=TEXT gives "
        "the second; for questions, --option context=TEXT or context=@FILE gives the context of all. Questions about a "
        "table take --option table=FILE (CSV with a line of column names, or .json), zero-shot classification takes "
        "--option candidate_labels=LABEL once for each label.",
        "In a chat each INPUT is the user's message of a conversation of its own, after --option system=TEXT and "
        "--option history=FILE, a JSON list of messages.",
        "--rpc Predict sends a JSON request as MLflow's scoring server takes it: INPUT, stdin or a file is one. --rpc "
        "StreamingRecognizeSpeech sends bare samples, stdin's or a file's, as they come and without a time limit; it "
        "takes --option sample_rate_hz=HZ and encoding=s16le or f32le.",
        "Answers go to stdout; times, token counts and warnings to stderr. "
        "Exit status: 0 answered, 1 failed, 2 wrong usage, 130 interrupted.",
    )
)
_DEFAULT_TARGET = "127.0.0.1:8500"
_DEFAULT_TIMEOUT_S = 60.0


@app.command()
def serve(
    models: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME=]MODEL", help="Folders, runs:/… or models:/… to serve, each under a name."),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", exists=True, dir_okay=False, help="A TOML file: docs/configuration.md."),
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on. [default: 127.0.0.1]")] = None,
    port: Annotated[int | None, typer.Option("--port", "-p", help="Port; 0 picks a free one. [default: 8500]")] = None,
    device: Annotated[str | None, typer.Option(help="Device of the MODELs: auto, cpu, cuda or cuda:N.")] = None,
    accel: Annotated[
        str | None, typer.Option(help="How the MODELs run: auto, onnx, compile or eager. [default: auto]")
    ] = None,
    precision: Annotated[str | None, typer.Option(help="fp32, fp16, bf16 or int8. [default: as saved]")] = None,
    tracking_uri: Annotated[str | None, typer.Option(help="MLflow's tracking URI.")] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error. [default: info]")] = None,
) -> None:
    """Serve saved MLflow models until SIGTERM or Ctrl-C."""
    from savor.server.cli.serve import run

    flags = {
        "server": {"host": host, "port": port},
        "mlflow": {"tracking_uri": tracking_uri},
        "log_level": log_level,
    }
    run(models or [], {"device": device, "accel": accel, "precision": precision}, config, flags)


@app.command(help=_CALL_HELP)
def call(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="NAME, NAME@VERSION or NAME@ALIAS, as `savor models` lists them.")
    ],
    inputs: Annotated[
        list[str] | None, typer.Argument(metavar="INPUT", help="Texts, or audio or image files; - reads stdin.")
    ] = None,
    file: Annotated[
        list[Path] | None, typer.Option("--file", "-f", help="A file: each line a text, or one recording or image.")
    ] = None,
    param: Annotated[
        list[str] | None, typer.Option("--param", "-P", metavar="KEY=VALUE", help="A parameter; VALUE as JSON or text.")
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(
            "--option", "-o", metavar="KEY=VALUE", help="A field of the request, such as top_k=3 or stop=END."
        ),
    ] = None,
    rpc: Annotated[
        str | None, typer.Option(help="The RPC, where the model has several, such as ExtractFeatures or CompleteChat.")
    ] = None,
    server: Server = _DEFAULT_TARGET,
    timeout_s: Timeout = _DEFAULT_TIMEOUT_S,
    ca: Ca = None,
    cert: Cert = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Call a model and print its answer."""
    from savor.server.cli.call import run
    from savor.server.cli.connection import Connection
    from savor.server.cli.request import CallRequest

    request = CallRequest(model, inputs or [], file or [], param or [], option or [], rpc)
    run(request, Connection(server, timeout_s, ca, cert, key), as_json=as_json)


@app.command(name="models")
def list_models(
    model: Annotated[
        str | None, typer.Argument(metavar="MODEL", help="One model, to be told everything about it.")
    ] = None,
    detail: Annotated[bool, typer.Option("--detail", help="Tell everything about every model.")] = False,
    server: Server = _DEFAULT_TARGET,
    timeout_s: Timeout = _DEFAULT_TIMEOUT_S,
    ca: Ca = None,
    cert: Cert = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """List what a server serves, or show one model with its signature, parameters and limits."""
    from savor.server.cli.connection import Connection
    from savor.server.cli.models import run

    run(model, Connection(server, timeout_s, ca, cert, key), detail=detail, as_json=as_json)


for _command in (saved_models.log, saved_models.inspect, saved_models.persist, saved_models.tune):
    app.command()(_command)
app.command(name="compile")(saved_models.compile_)
app.add_typer(cache.app, name="cache")


@app.command()
def version() -> None:
    """Print the version."""
    from importlib.metadata import version as installed

    typer.echo(installed("savor"))
