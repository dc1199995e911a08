import pytest

from benchmarks.answers import Answer, Expected, answer_of, expect

EXPECTED = Expected({"a": Answer("good", 0.9), "b": Answer("bad", 0.7)})


@pytest.mark.parametrize(
    "given",
    [
        pytest.param([Answer("good", 0.9)], id="one short"),
        pytest.param([Answer("bad", 0.7), Answer("good", 0.9)], id="in another order"),
        pytest.param([Answer("good", 0.9), Answer("bad", 0.702)], id="a score off by more than the tolerance"),
        pytest.param([Answer("good", 0.9), Answer("good", 0.7)], id="another label"),
    ],
)
def test_a_wrong_answer_is_a_problem(given: list[Answer]) -> None:
    assert EXPECTED.problem(["a", "b"], given)


def test_an_answer_within_the_tolerance_is_none() -> None:
    assert EXPECTED.problem(["a", "b"], [Answer("good", 0.9004), Answer("bad", 0.6996)]) is None


def test_near_a_tie_the_other_label_is_the_same_answer() -> None:
    near = Expected({"a": Answer("good", 0.5002)})
    assert near.problem(["a"], [Answer("bad", 0.5003)]) is None
    assert near.problem(["a"], [Answer("bad", 0.6)])


def test_a_wider_tolerance_lets_more_pass() -> None:
    assert EXPECTED.within(0.1).problem(["a"], [Answer("good", 0.95)]) is None


def test_a_score_that_is_no_number_is_a_problem() -> None:
    assert EXPECTED.problem(["a"], [Answer("good", float("nan"))])


def test_expect_asks_for_each_text_alone() -> None:
    asked: list[str] = []

    def classify(text: str) -> list[dict[str, object]]:
        asked.append(text)
        return [{"label": "good", "score": len(text) / 10}]

    assert expect(classify, ["a", "bcd"]).answers == {"a": Answer("good", 0.1), "bcd": Answer("good", 0.3)}
    assert asked == ["a", "bcd"]


def test_answer_of_refuses_what_is_no_answer() -> None:
    with pytest.raises(KeyError):
        answer_of({"label": "good"})
