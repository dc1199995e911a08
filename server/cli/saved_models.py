"""The commands on saved models: logging one, looking at one, and giving one its weights. `app` registers them."""

from typing import Annotated

import typer

Model = Annotated[str, typer.Argument(metavar="MODEL", help="A folder, runs:/…, models:/NAME/VERSION or …@ALIAS.")]
TrackingUri = Annotated[str | None, typer.Option("--tracking-uri", help="MLflow's tracking URI.")]
Allow = Annotated[
    list[str] | None,
    typer.Option("--allow", metavar="SWITCH", help="What it may do: code, loader, remote_code, pickle, hub."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


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
