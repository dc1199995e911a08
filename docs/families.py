"""`python -m docs.families`: docs/families.md, the RPCs of every family by example, answered by a real server.

What the page says of fields is the protos' own; its answers are kept where a new run says the same, and with `--text`
nothing is run.
"""

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from google.protobuf.descriptor import MethodDescriptor

from docs import fields
from docs.agreement import agree
from docs.answers import Answer, command, json_values, laid_out, run, shortened
from docs.comments import comments
from docs.examples import EXAMPLES, PARITY, Example, Model
from savor.flavor.family import Family
from savor.flavor.table import FAMILIES
from savor.server import wire

FILE = Path(__file__).with_name("families.md")

HEAD = """\
<!-- rendered by python -m docs.families -->

# The families, RPC by RPC

Every call here was made as it is printed, from the repository's root, with the models below in service; `make setup`
installs grpcurl. Requests may spell fields as the tables do or as JSON does (`top_k`, `topK`). Answers are proto3 JSON,
which leaves out zeros and empty texts; long lists and bytes are cut at a `…`, numbers are rounded to four digits after
the point, versions are a `…`, and `timing` is left out.

Every request has `model`, every response `timing`, `warnings` and `model_version`; `results` are in input order; all
`parameters` take other options of their pipeline in `extra`: see [calling.md](calling.md), for errors too. Which of the
`parameters` count is the model's signature's to say, under MLflow's rules.
"""

_RANDOM = "The answer of a model with random weights: only its form means something."

Answers = Mapping[str, Answer]
"""Answers by the commands that got them."""


def page(answers: Answers) -> str:
    """The whole page."""
    sections = (_section(family, answers) for family in FAMILIES)
    return "\n".join([HEAD, _models(), *sections])


def _models() -> str:
    used = {example.model.name: example.model for example in EXAMPLES}
    rows = (f"| `{model.name}` | {model.task} | {model.about} | {_origin(model)} |" for model in used.values())
    return "\n".join(["| model | task | what it is | weights |", "|---|---|---|---|", *rows, ""])


def _origin(model: Model) -> str:
    return f"real: `python -m demo.weights {model.weights}`" if model.weights else "random, tiny"


def _section(family: Family, answers: Answers) -> str:
    service = wire.service_descriptor(family.service)
    rpcs = [service.methods_by_name[method.name] for method in family.methods]
    parts = [f"## {family.service}", _told(comments()[service.full_name]), _tasks(family), *_differences(family)]
    for place, rpc in enumerate(rpcs):
        parts += _rpc(rpc, rpcs[:place], answers)
    return "\n\n".join(parts) + "\n"


def _told(comment: str) -> str:
    """A comment but for its errors, which are the same for all."""
    return comment.partition(" Errors: ")[0]


def _tasks(family: Family) -> str:
    every = frozenset[str]().union(*(other.tasks for other in FAMILIES))
    named = ", ".join(f"`{task}`" for task in sorted(family.tasks))
    return f"Tasks: {'every one' if family.tasks == every else named}."


def _differences(family: Family) -> Iterator[str]:
    if rows := PARITY.get(family.service):
        yield f"What differs from MLflow: {', '.join(rows)} in [parity.md](parity.md)."


def _rpc(rpc: MethodDescriptor, before: Sequence[MethodDescriptor], answers: Answers) -> Iterator[str]:
    yield f"### {rpc.name}"
    yield _told(comments()[rpc.full_name])
    yield fields.request(rpc, before)
    yield fields.reply(rpc, before)
    for example in EXAMPLES:
        if example.rpc == f"{rpc.containing_service.name}/{rpc.name}":
            yield from _example(example, answers)


def _example(example: Example, answers: Answers) -> Iterator[str]:
    asked = command(example, example.model.name)
    notes = [example.about] if example.model.weights else [example.about, _RANDOM]
    if note := " ".join(filter(None, notes)):
        yield note
    yield f"```sh\n{asked}\n```"
    messages = "\n".join(laid_out(message) for message in answers[asked])
    yield f"```json\n{messages}\n```"


def told(text: str) -> Answers:
    """The answers that a page tells."""
    found = re.findall(r"```sh\n(.*?)\n```\n\n```json\n(.*?)\n```", text, re.DOTALL)
    return {asked: list(json_values(answer)) for asked, answer in found}


def answered(target: str) -> Answers:
    """The server's answers to all examples, in the page's form."""
    return {asked: _shown(example, run(asked, target)) for example, asked in commands()}


def commands() -> Sequence[tuple[Example, str]]:
    """The examples with their commands."""
    return [(example, command(example, example.model.name)) for example in EXAMPLES]


def _shown(example: Example, answer: Answer) -> Answer:
    service, _, name = example.rpc.partition("/")
    kind = wire.service_descriptor(service).methods_by_name[name].output_type
    return [shortened(message, kind) for message in answer]


@contextmanager
def serving() -> Iterator[str]:
    """A server with the examples' models; yields where it listens."""
    # Not at the top: the text alone needs neither mlflow nor torch.
    from docs.models import saved
    from tests.serving import Serving

    models = {example.model.name: example.model for example in EXAMPLES}
    with TemporaryDirectory() as folder:
        server = Serving([str(saved(model, Path(folder))) for model in models.values()])
        server.start()
        try:
            yield server.target
        finally:
            server.stop()


def main(arguments: Sequence[str]) -> None:
    """Writes the page."""
    before = told(FILE.read_text())
    answers = before if "--text" in arguments else _renewed(before)
    FILE.write_text(page(answers))


def _renewed(before: Answers) -> Answers:
    """The answers of a run, but those of before where they say the same."""
    with serving() as target:
        new = answered(target)
    return {asked: kept if agree(kept := before.get(asked, []), answer) else answer for asked, answer in new.items()}


if __name__ == "__main__":
    main(sys.argv[1:])
