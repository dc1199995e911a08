"""The commands on saved models: logging one, looking at one, and giving one its weights. `app` registers them."""

from pathlib import Path
from typing import Annotated

import typer

Model = Annotated[str, typer.Argument(metavar="MODEL", help="A folder, runs:/…, models:/NAME/VERSION or …@ALIAS.")]
TrackingUri = Annotated[str | None, typer.Option("--tracking-uri", help="MLflow's tracking URI.")]
Allow = Annotated[
    list[str] | None,
    typer.Option("--allow", metavar="SWITCH", help="What it may do: code, loader, remote_code, pickle, hub."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Device = Annotated[str | None, typer.Option(help="auto, cpu, cuda or cuda:N. [default: auto]")]


def log(
    source: Annotated[str, typer.Argument(metavar="FOLDER", help="A checkpoint, its components or a PEFT adapter.")],
    task: Annotated[str, typer.Option(help="The pipeline task, or llm/v1/chat, …/completions, …/embeddings.")],
    name: Annotated[str | None, typer.Option(help="Register it as a version of this model.")] = None,
    alias: Annotated[str | None, typer.Option(help="Give that version an alias, such as champion.")] = None,
    experiment: Annotated[str | None, typer.Option(help="MLflow's experiment. [default: Default]")] = None,
    base_model: Annotated[str | None, typer.Option(metavar="FOLDER", help="The base model of an adapter.")] = None,
    prompt_template: Annotated[str | None, typer.Option(metavar="TEXT", help="A text with {prompt} in it.")] = None,
    model_config: Annotated[str | None, typer.Option(metavar="JSON", help="Options of each prediction.")] = None,
    params: Annotated[
        str | None, typer.Option(metavar="JSON", help="What callers may set, with defaults: their type is MLflow's.")
    ] = None,
    input_example: Annotated[
        str | None, typer.Option(metavar="JSON|TEXT|FILE", help="An input; the signature is inferred by running it.")
    ] = None,
    dtype: Annotated[str | None, typer.Option(help="The torch type to load it with, such as bfloat16.")] = None,
    tracking_uri: TrackingUri = None,
    as_json: Json = False,
) -> None:
    """Log a model to MLflow, register it, and say what Savor will serve of it."""
    from savor.server.cli.log import LogRequest, run

    request = LogRequest(
        source=source,
        task=task,
        name=name,
        alias=alias,
        experiment=experiment,
        base_model=base_model,
        prompt_template=prompt_template,
        model_config=model_config,
        params=params,
        input_example=input_example,
        dtype=dtype,
    )
    run(request, tracking_uri, as_json=as_json)


def inspect(model: Model, allow: Allow = None, tracking_uri: TrackingUri = None, as_json: Json = False) -> None:
    """Say how a saved model would be served, without loading it; exit with 1 where it would be refused."""
    from savor.server.cli.inspect import run

    run(model, allow or [], tracking_uri, as_json=as_json)


def persist(model: Model, allow: Allow = None, tracking_uri: TrackingUri = None) -> None:
    """Fetch the weights of a model that only refers to the Hugging Face hub, and store them with it."""
    from savor.server.cli.persist import run

    run(model, allow or [], tracking_uri)


def compile_(
    model: Model,
    precision: Annotated[str | None, typer.Option(help="fp32, fp16 or int8. [default: as saved]")] = None,
    device: Device = None,
    provider: Annotated[
        str | None, typer.Option(help="ONNX Runtime's provider: cpu, cuda or tensorrt. [default: the device's]")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Copy graphs and report into this folder.")] = None,
    attach: Annotated[
        bool, typer.Option("--attach", help="Store graphs and report with the model, for every server that fetches it.")
    ] = False,
    allow: Allow = None,
    tracking_uri: TrackingUri = None,
    as_json: Json = False,
) -> None:
    """Export a model to ONNX, verify it against the eager one and keep it for servers; exit with 1 where it fails."""
    from savor.server.cli.compile import CompileRequest, run

    request = CompileRequest(model, precision, device, provider, allow or [], out, attach)
    run(request, tracking_uri, as_json=as_json)


def tune(
    model: Model,
    tolerance: Annotated[
        float | None,
        typer.Option(min=0, help="The difference from eager fp32 to allow, a share. [default: each precision's own]"),
    ] = None,
    texts: Annotated[Path | None, typer.Option(metavar="FILE", help="Texts to measure with, one a line.")] = None,
    seconds: Annotated[float, typer.Option(min=0.1, help="Seconds to measure each way for.")] = 5.0,
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", exists=True, dir_okay=False, help="A TOML file to set the fastest in."),
    ] = None,
    device: Device = None,
    allow: Allow = None,
    tracking_uri: TrackingUri = None,
    as_json: Json = False,
) -> None:
    """Measure a model with every backend and precision of this machine, and choose the fastest that is exact enough."""
    from savor.server.cli.tune import TuneRequest, run

    request = TuneRequest(model, tolerance, texts, seconds, device, config, allow or [])
    run(request, tracking_uri, as_json=as_json)
