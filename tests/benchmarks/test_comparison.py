from pathlib import Path

import pytest

from benchmarks import comparison
from benchmarks.comparison import SCENARIOS
from benchmarks.mlflow_target import MlflowTarget
from benchmarks.savor_target import SavorTarget
from tests.benchmarks.measurements import MANY, measured, result

OURS, THEIRS = "ours", "theirs"


def test_the_servers_take_turns_and_swap_with_every_repeat() -> None:
    savor, peer = SavorTarget(Path()), MlflowTarget(Path())
    order = list(comparison.order(savor, peer, 2))
    assert len(order) == 2 * 2 * len(SCENARIOS)
    assert [target for _, target, repeat in order if repeat == 0][:3] == [savor, peer, savor]
    assert [target for _, target, repeat in order if repeat == 1][:3] == [peer, savor, peer]


def test_a_row_has_medians_and_the_ratios_of_the_repeats() -> None:
    results = [result(OURS, number, measured(speed)) for number, speed in enumerate((100.0, 300.0, 200.0))]
    results += [result(THEIRS, number, measured(speed)) for number, speed in enumerate((50.0, 100.0, 200.0))]
    (row,) = comparison.rows(results, OURS, THEIRS)
    assert (row.savor.texts_per_s, row.peer.texts_per_s) == (200.0, 100.0)
    assert (row.ratio, row.lowest, row.highest) == (2.0, 1.0, 3.0)


def test_latencies_are_medians_of_each_repeats_percentile() -> None:
    ours = [
        result(OURS, number, measured(1.0, *seen)) for number, seen in enumerate([(1.0, 9.0), (2.0, 4.0), (3.0, 5.0)])
    ]
    theirs = [result(THEIRS, number, measured(1.0)) for number in range(3)]
    (row,) = comparison.rows([*ours, *theirs], OURS, THEIRS)
    assert (row.savor.p50_s, row.savor.max_s) == (2.0, 5.0)


def test_scenarios_keep_their_order() -> None:
    results = [result(name, 0, measured(1.0), scenario) for scenario in reversed(SCENARIOS) for name in (OURS, THEIRS)]
    assert [row.scenario for row in comparison.rows(results, OURS, THEIRS)] == list(reversed(SCENARIOS))


def test_a_server_without_its_repeats_is_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        comparison.rows(
            [result(OURS, 0, measured(1.0)), result(OURS, 1, measured(1.0)), result(THEIRS, 0, measured(1.0))],
            OURS,
            THEIRS,
        )


def test_problems_say_where_they_came_up() -> None:
    results = [result(OURS, 0, measured(1.0)), result(THEIRS, 0, measured(0.0, problems=("refused",)), MANY)]
    assert comparison.problems(results) == ["theirs, 4 callers x 16 texts: refused"]
