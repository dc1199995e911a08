"""What becomes of measurements: medians, ratios and the numbers that bars are set for."""

import math

import pytest

from benchmarks.figures import FIGURES, abandoned, bars, idle, kinds, limit, overload, peers, startup
from benchmarks.load import Scenario
from benchmarks.open_loop import Arrivals
from benchmarks.outcome import Outcome
from tests.benchmarks.measurements import measured

SIZES = {"fp32": {8: 110.0, 32: 100.0}}


def limit_samples(*servers: float, limit_per_s: float = 100.0) -> list[limit.Sample]:
    return [
        limit.Sample("fp32", callers, limit_per_s, measured(server, problems=("wrong",) if server == 13.0 else ()))
        for server in servers
        for callers in limit.CALLERS
    ]


def test_the_share_of_the_limit_is_the_median_of_the_repeats_shares() -> None:
    found = limit.outcome(limit_samples(90.0, 80.0, 95.0), SIZES)
    assert found.bars == {"limit": 0.9}
    assert found.tables[0].rows[2] == ("fp32, 32 callers", "90", "100", "0.90", "0.80 to 0.95", "10 / 10")


def test_a_limit_that_was_better_with_other_batches_is_told() -> None:
    (note,) = limit.outcome(limit_samples(90.0), SIZES).notes
    assert note.endswith("8: 110, 32: 100. Of the best, 8, Savor with 32 callers reaches 0.82.")


def test_a_wrong_answer_is_told_with_where_it_came_up() -> None:
    assert limit.outcome(limit_samples(13.0), SIZES).problems[0] == "fp32, 1 callers: wrong"


def peer_samples() -> list[peers.Sample]:
    """Savor at 100, MLflow at 20, Triton at 40 without batching and at 50 with it; int8 at 160."""
    speeds = {
        ("Savor", "Savor (onnx, fp32)"): 100.0,
        ("Savor at int8", "Savor (onnx, int8)"): 160.0,
        ("mlflow models serve", "mlflow models serve"): 20.0,
        ("Triton Python backend", "Triton"): 40.0,
        ("Triton Python backend", "Triton, dynamic batching"): 50.0,
    }
    return [
        peers.Sample(product, server, scenario, measured(speed))
        for (product, server), speed in speeds.items()
        for scenario in peers.SCENARIOS
    ]


def test_a_peers_better_configuration_counts() -> None:
    assert peers.outcome(peer_samples(), {}).bars == {"mlflow": 5.0, "mlflow_int8": 8.0, "grpc": 2.0, "grpc_large": 2.0}


def test_the_table_has_the_better_configuration_in_bold() -> None:
    rows = {row[0]: row for row in peers.outcome(peer_samples(), {}).tables[0].rows}
    assert rows["Triton, dynamic batching"][1:7] == ("**50**", "**50**", "**50**", "**50**", "2.00", "2.00")
    assert rows["Triton"][1] == "40"
    assert rows["Savor (onnx, fp32)"][5:7] == ("", "")


def test_a_peer_that_was_left_out_is_told_with_its_reason() -> None:
    found = peers.outcome([each for each in peer_samples() if each.product.startswith("Savor")], {"Ray Serve": "no"})
    assert found.notes == ["Ray Serve was left out: no"]
    assert found.bars == {}


def test_idle_latency_is_the_difference_of_the_medians() -> None:
    turns = [idle.Turn([0.011, 0.012, 0.030], [0.010, 0.010, 0.010]), idle.Turn([0.011], [0.010])]
    assert idle.outcome(turns, ()).bars["idle_ms"] == pytest.approx(1.0)


def test_the_call_after_abandoned_ones_is_a_median_of_rounds() -> None:
    rounds = [abandoned.Round(0.01, fresh_s) for fresh_s in (0.01, 0.02, 0.09)]
    assert abandoned.outcome(rounds).bars["abandoned"] == pytest.approx(2.0)


def test_goodput_is_set_over_the_capacity_of_the_same_round() -> None:
    arrivals = Arrivals(400.0, 95.0, (0.5, 1.9), {"RESOURCE_EXHAUSTED": 7}, ())
    found = overload.outcome([overload.Round(measured(100.0), arrivals)])
    assert found.bars == {"overload": 0.95}
    assert found.tables[0].rows[0][-1] == "1900"
    assert "7 RESOURCE_EXHAUSTED" in found.notes[0]


def test_a_start_counts_beyond_imports_and_weights() -> None:
    steps = {"imports": 5.0, "loading the weights": 1.0, "warming up": 0.1}
    sizes = {startup.COLD: 500, startup.WARM: 330, startup.EAGER: 300}
    starts = [startup.Start(kind, 7.5, rss, steps) for kind, rss in sizes.items()]
    assert startup.outcome(starts, weights_bytes=100).bars == {"startup_s": 1.5, "memory": 1.1}


@pytest.mark.parametrize(
    ("right", "given", "same"),
    [
        pytest.param((0.5, 1.0), (0.5, 1.0005), True, id="a vector within the tolerance"),
        pytest.param((0.5, 1.0), (0.5, 1.01), False, id="another vector"),
        pytest.param((0.5, 1.0), (0.5,), False, id="a shorter vector"),
        pytest.param("a text", "a text", True, id="the same text"),
        pytest.param([("DET", "a")], [("NOUN", "a")], False, id="another label"),
    ],
)
def test_answers_of_other_kinds_are_compared_by_what_they_are(right: object, given: object, same: bool) -> None:
    assert kinds.equal(right, given) is same


def test_every_bar_is_measured_by_a_figure() -> None:
    assert {bar.figure for bar in bars.BARS} <= {figure.name for figure in FIGURES}


@pytest.mark.parametrize(
    ("value", "met"),
    [
        pytest.param(0.9, "yes", id="met to the digit"),
        pytest.param(0.89, "**no**", id="missed"),
        pytest.param(math.nan, "**no**", id="no number"),
    ],
)
def test_a_bar_says_whether_it_is_met(value: float, met: str) -> None:
    assert bars.table({"limit": {"limit": value}}).rows[0][3] == met


def test_a_bar_that_was_not_measured_says_so() -> None:
    assert all(row[1] == "not measured" for row in bars.table({}).rows)


def test_an_outcome_may_be_empty() -> None:
    assert Outcome().bars == {}
    assert Scenario(1, 1).callers == 1
