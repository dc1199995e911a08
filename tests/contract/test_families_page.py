"""docs/families.md is what `python -m docs.families` would write: its text at once, its answers by a real run."""

import copy
import re

import pytest

from docs import families
from docs.agreement import agree
from docs.answers import laid_out, shortened
from docs.examples import EXAMPLES, PARITY
from savor.flavor.family import Family
from savor.flavor.table import FAMILIES
from savor.server import wire
from tests.tiny_models import RECIPES, ROOT

AGAIN = "run python -m docs.families"
PAGE = families.FILE.read_text()


def test_every_rpc_of_every_family_has_an_example() -> None:
    rpcs = {f"{family.service}/{rpc.name}" for family in FAMILIES for rpc in family.methods}
    assert {example.rpc for example in EXAMPLES} == rpcs


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_the_readme_names_the_rpcs_of_a_family(family: Family) -> None:
    readme = (ROOT / "README.md").read_text()
    assert f"`{family.service}/" in readme
    assert [rpc.name for rpc in family.methods if f"/{rpc.name}`" not in readme] == []


def test_the_page_has_the_examples_of_the_table() -> None:
    assert families.told(PAGE).keys() == {asked for _, asked in families.commands()}, AGAIN


def test_the_text_around_the_answers_is_rendered() -> None:
    assert families.page(families.told(PAGE)) == PAGE, f"{AGAIN} --text"


def test_the_answers_are_of_a_server_and_none_is_empty() -> None:
    assert [asked for asked, answer in families.told(PAGE).items() if not any(map(tells, answer))] == []


def tells(message: dict) -> bool:
    return bool(message.get("results") or message.get("json"))


@pytest.mark.parametrize("row", sorted({row for rows in PARITY.values() for row in rows}))
def test_a_difference_from_mlflow_is_told_in_parity(row: str) -> None:
    assert re.search(rf"^\| {row} \|", (ROOT / "docs" / "parity.md").read_text(), re.MULTILINE)


@pytest.mark.parametrize("service", sorted(PARITY))
def test_differences_are_of_a_service_that_is_served(service: str) -> None:
    assert service in {family.service for family in FAMILIES}


@pytest.mark.parametrize("model", sorted({example.model.tiny for example in EXAMPLES}))
def test_a_model_of_the_examples_has_a_tiny_stand_in(model: str) -> None:
    assert model in RECIPES


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_real_run_gives_the_answers_of_the_page() -> None:
    told = families.told(PAGE)
    with families.serving() as target:
        answers = families.answered(target)
    assert {asked: answer for asked, answer in answers.items() if not agree(told[asked], answer)} == {}, AGAIN


# Two answers that say the same.

SCORED = [{"results": [{"labels": [{"label": "a", "score": 0.5}]}]}]
PIECES = [
    {"results": [{"text": "one ", "tokenCount": 1}]},
    {"results": [{"text": "two", "tokenCount": 2}, {"text": "eins", "tokenCount": 1, "input": 1}]},
    {"results": [{"finishReason": "FINISH_REASON_LENGTH", "tokenCount": 2}]},
    {"modelVersion": "…"},
]
IN_ONE = [
    {
        "results": [
            {"text": "one two", "tokenCount": 2, "finishReason": "FINISH_REASON_LENGTH"},
            {"text": "eins", "tokenCount": 1, "input": 1},
        ]
    },
    {"modelVersion": "…"},
]


def changed(answer: list, path: tuple, value: object) -> list:
    other = copy.deepcopy(answer)
    *way, last = path
    place = other
    for step in way:
        place = place[step]
    place[last] = value
    return other


SCORE, LABEL = (0, "results", 0, "labels", 0, "score"), (0, "results", 0, "labels", 0, "label")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        pytest.param(SCORED, changed(SCORED, SCORE, 0.5009), True, id="numbers-near-by"),
        pytest.param(SCORED, changed(SCORED, SCORE, 0.502), False, id="numbers-apart"),
        pytest.param(SCORED, changed(SCORED, LABEL, "b"), False, id="another-label"),
        pytest.param(SCORED, changed(SCORED, (0, "warnings"), ["w"]), False, id="a-warning-more"),
        pytest.param(SCORED, [], False, id="no-answer"),
        pytest.param(PIECES, IN_ONE, True, id="a-stream-cut-otherwise"),
        pytest.param(PIECES, changed(IN_ONE, (0, "results", 0, "text"), "one three"), False, id="another-text"),
        pytest.param(PIECES, changed(IN_ONE, (0, "results", 1, "input"), 2), False, id="of-another-input"),
        pytest.param(PIECES, changed(IN_ONE, (1, "warnings"), ["w"]), False, id="another-last-message"),
    ],
)
def test_answers_agree_where_they_say_the_same(one: list, other: list, same: bool) -> None:
    assert agree(one, other) is same
    assert agree(other, one) is same


# What is cut.


def test_what_is_long_is_cut_and_what_no_two_runs_share_is_left_out() -> None:
    message = {
        "results": [{"values": [0.123456] * 9, "tokenCount": 4}],
        "timing": {"runS": 0.1},
        "modelVersion": "1f",
    }
    shown = shortened(
        message, wire.service_descriptor("FeatureExtractionService").methods_by_name["EmbedText"].output_type
    )
    values = [0.1235, 0.1235, 0.1235, "… 6 more"]
    assert shown == {"results": [{"values": values, "tokenCount": 4}], "modelVersion": "…"}


def test_bytes_are_told_by_their_length() -> None:
    kind = wire.service_descriptor("FeatureExtractionService").methods_by_name["ExtractFeatures"].output_type
    message = {"results": [{"features": {"shape": ["1", "2"], "data": "AAAAAAAAAAA="}}]}
    [result] = shortened(message, kind)["results"]
    assert result["features"] == {"shape": ["1", "2"], "data": "… 12 characters of base64"}


def test_a_value_is_laid_out_in_lines_that_fit() -> None:
    value = {"short": [1, 2], "long": [{"name": "x" * 60}, {"name": "ÿ" * 60}]}
    lines = laid_out(value).splitlines()
    assert max(map(len, lines)) <= 110
    assert lines[1] == '  "short": [1, 2],'
    assert f'{{"name": "{"ÿ" * 60}"}}' in lines[4]
