"""Reports: what follows from their probes, how they read, and that they survive being kept."""

import json
import math

import pytest

from savor.accel.precision import PRECISIONS, Tolerance
from savor.accel.report import Comparison, Report

WITHIN = Tolerance(0.01, 0.9)
PROBES = (Comparison("1 words", 0.004, 0.001, 1.0), Comparison("6 words", 0.008, 0.002, 0.9))


def test_what_follows_from_the_probes() -> None:
    report = Report("fp16", WITHIN, PROBES)
    assert (report.largest_difference, report.mean_difference, report.agreement) == (0.008, 0.0015, 0.95)
    assert report.passed


@pytest.mark.parametrize(
    ("difference", "agreement", "passed"),
    [
        pytest.param(0.01, 0.9, True, id="just so"),
        pytest.param(0.011, 1.0, False, id="too far"),
        pytest.param(0.0, 0.89, False, id="too many other decisions"),
        pytest.param(math.inf, 1.0, False, id="an infinity"),
        pytest.param(math.nan, 1.0, False, id="no number"),
    ],
)
def test_the_tolerance(difference: float, agreement: float, passed: bool) -> None:
    assert Report("fp32", WITHIN, (Comparison("a", difference, difference, agreement),)).passed is passed


def test_one_probe_that_is_too_far_is_enough() -> None:
    assert not Report("fp32", WITHIN, (*PROBES, Comparison("9 words", 0.02, 0.0, 1.0))).passed


def test_a_report_of_nothing() -> None:
    report = Report("fp32", WITHIN, ())
    assert (report.largest_difference, report.mean_difference, report.passed) == (0.0, 0.0, False)


def test_how_a_report_reads() -> None:
    expected = "largest difference 0.008 (allowed: 0.01), 95.0% of decisions equal (asked: 90%), over 2 probes"
    assert str(Report("fp32", WITHIN, PROBES)) == expected


@pytest.mark.parametrize("difference", [0.008, math.inf])
def test_a_report_survives_being_kept(difference: float) -> None:
    report = Report("fp32", PRECISIONS["fp32"].tolerance, (Comparison("a", difference, difference, 1.0),))
    assert Report.from_dict(json.loads(json.dumps(report.to_dict()))) == report


def test_what_is_kept_says_whether_it_passed() -> None:
    assert Report("fp32", WITHIN, PROBES).to_dict()["passed"] is True
    assert Report("fp32", Tolerance(0.0, 1.0), PROBES).to_dict()["passed"] is False


@pytest.mark.parametrize(
    "given", [{}, {"precision": "fp32", "tolerance": {}, "probes": []}, {"probes": [{"name": "a"}]}]
)
def test_what_is_no_report(given: dict[str, object]) -> None:
    with pytest.raises((KeyError, TypeError)):
        Report.from_dict(given)
