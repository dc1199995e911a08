"""Words to single tokens, as transformers' fill-mask pipeline finds them."""

import pytest

from savor.flavor.encoding import TextEncoder
from savor.flavor.errors import InvalidInput
from savor.flavor.vocabulary import single_tokens
from tests import tiny_pipelines

PIPELINE = tiny_pipelines.masker()
ENCODER = TextEncoder(PIPELINE.tokenizer, 64)


@pytest.mark.parametrize(
    "words", [["ex"], ["tions", "ex", "ex"], ["Licensor", "of"], ["zzz", "ü"], ["", "ex"]], ids=str
)
def test_ids_are_the_pipelines(words: list[str]) -> None:
    ids, _ = single_tokens(words, "targets", ENCODER)
    assert ids.tolist() == sorted(PIPELINE.get_target_ids(words).tolist())


def test_only_what_is_no_token_is_warned_of() -> None:
    assert single_tokens(["ex", "[MASK]"], "targets", ENCODER)[1] == ()
    _, warnings = single_tokens(["ex", "exex", ""], "parameters.targets", ENCODER)
    assert warnings == (
        "parameters.targets[1]: 'exex' is no token of the model's vocabulary; its first part, 'ex', stands for it",
        "parameters.targets[2]: '' is no token of the model's vocabulary and was left out",
    )


def test_there_must_be_one() -> None:
    with pytest.raises(InvalidInput, match=r"targets: holds no token of the model's vocabulary"):
        single_tokens(["", ""], "targets", ENCODER)
