"""Models that torch traces: the artifact's own model stays as it was, and shares its weights."""

import torch

from savor.accel.compiled import CompiledBackend, compiled
from tests.compiling import fresh


def test_a_traced_model_shares_the_weights_and_leaves_the_model_alone() -> None:
    given = fresh("classifier")
    made = compiled(given)
    assert made.pipeline is not given.pipeline
    assert type(made.pipeline.model) is type(given.pipeline.model)
    assert "forward" not in vars(given.pipeline.model)
    assert "forward" in vars(made.pipeline.model)
    for ours, theirs in zip(made.pipeline.model.parameters(), given.pipeline.model.parameters(), strict=True):
        assert ours.data_ptr() == theirs.data_ptr()


def test_what_it_says_of_itself() -> None:
    backend = CompiledBackend(compiled(fresh("classifier")), "fp32")
    assert (backend.info.name, backend.info.device, backend.info.provider) == ("compile", "cpu", "")
    backend.close()


def test_the_traced_forward_is_torchs() -> None:
    made = compiled(fresh("classifier"))
    assert torch._dynamo.eval_frame.innermost_fn(made.pipeline.model.forward) is not made.pipeline.model.forward
