"""`savor inspect`: what a saved model is and how it would be served, without loading its weights."""

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import typer

from savor.server.cli.execution import execution
from savor.server.cli.facts import Fact, first_line, listed, saved_by, sheet
from savor.server.cli.json_lines import print_line, to_json
from savor.server.cli.screen import open_screen, plain
from savor.server.cli.signature import signature_lines
from savor.server.cli.workbench import trusting, workbench

if TYPE_CHECKING:
    from savor.flavor.description import Description

_REFUSED = 1


def run(uri: str, allow: Sequence[str], tracking_uri: str | None, *, as_json: bool) -> None:
    """Prints what is known of a model. Exits with 1 where it would be refused."""
    with workbench(tracking_uri) as settings:
        from savor.flavor import saved
        from savor.flavor.description import describe
        from savor.server.resolve import resolve

        trusted = trusting(allow)
        source = resolve(uri, settings)
        described = describe(saved.read(source.path), trusted)
    facts: list[Fact] = [("version", source.version), ("aliases", ", ".join(source.aliases))]
    show(uri, described, facts, as_json=as_json)
    if described.refusals:
        raise typer.Exit(_REFUSED)


def show(uri: str, described: "Description", extra: Sequence[Fact], *, as_json: bool) -> None:
    """Prints a model as it would be served."""
    if as_json:
        print_line({"model": uri, **{name: str(value) for name, value in extra}, **_record(described)})
        return
    parameters = [(each.name, each.type, each.default) for each in described.parameters]
    facts = [("model", uri), *extra, *_facts(described)]
    open_screen().out.print(sheet(facts, parameters))


def _facts(described: "Description") -> Iterator[Fact]:
    saved = described.saved
    yield "verdict", plain("would be refused", "bold red") if described.refusals else plain("can be served", "green")
    yield "because", listed(described.refusals)
    yield "warnings", listed(described.warnings)
    yield "switches", listed(f"{switch} = true" for switch in described.needs)
    yield "task", saved.task
    yield "llm task", saved.inference_task
    yield "family", described.family
    yield "RPCs", listed(f"savor.v1.{rpc}" for rpc in described.rpcs)
    yield from ((f"signature {part}", text) for part, text in signature_lines(_signature(described)))
    yield "template", saved.prompt_template or ""
    yield "model_config", listed(f"{key} = {to_json(value)}" for key, value in described.config.items())
    yield "base model", str(saved.base or "")
    yield from execution(described).facts()
    yield "saved by", saved_by(saved.mlflow_version, saved.transformers_version)
    yield "model card", _card(described)
    yield "licence", _license(described)


def _record(described: "Description") -> dict[str, Any]:
    saved = described.saved
    return {
        "served": not described.refusals,
        "refusals": described.refusals,
        "warnings": described.warnings,
        "switches": described.needs,
        "task": saved.task,
        "inference_task": saved.inference_task,
        "family": described.family,
        "methods": [f"savor.v1.{rpc}" for rpc in described.rpcs],
        "signature_json": _signature(described),
        "parameters": [vars(each) for each in described.parameters],
        "prompt_template": saved.prompt_template or "",
        "model_config": described.config,
        "dtype": saved.dtype,
        **execution(described).record(),
        "mlflow_version": saved.mlflow_version,
        "transformers_version": saved.transformers_version,
        "model_card": _card(described),
        "license": _license(described),
    }


def _signature(described: "Description") -> str:
    signature = described.saved.signature
    return json.dumps(signature.to_dict()) if signature is not None else ""


def _card(described: "Description") -> str:
    from savor.flavor import papers

    text = papers.model_card(described.saved)
    return f"{len(text):,} characters" if text else "none"


def _license(described: "Description") -> str:
    from savor.flavor import papers

    text = papers.license_text(described.saved)
    if not text or papers.is_stand_in(text):
        return "none was found"
    return first_line(text)
