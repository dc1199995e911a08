"""Generation step by step: streams, stop texts of each caller, and an end to what nobody waits for."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from savor.accel.backend import Batch, RefusedOptions
from savor.accel.eager import EagerBackend
from savor.flavor import generation
from savor.flavor.artifact import Artifact
from savor.flavor.families.text_generation import GenerateTextRequest, prepare
from savor.flavor.item import Item, Row
from savor.flavor.params import Unknown
from savor.flavor.sequences import FinishReason
from tests.accel.batches import Patience, batch
from tests.accel.parrot import END, POSITIONS, TOKENIZER, parrot, tokens
from tests.flavor.artifacts import artifact

TEXT = " one two three four five six seven eight nine ten eleven twelve"
SCRIPT = tokens(TEXT)
LONG = [300, 301] * (POSITIONS // 2)
"""Enough steps that a generation is still going on when a test has looked at it."""


@pytest.fixture(scope="module")
def model() -> Artifact:
    return parrot([END, *SCRIPT, END])


@pytest.fixture(scope="module")
def backend(model: Artifact) -> Iterator[EagerBackend]:
    backend = EagerBackend(model)
    yield backend
    backend.close()


@pytest.fixture(scope="module")
def endless() -> Iterator[tuple[Artifact, EagerBackend]]:
    model = parrot(LONG)
    backend = EagerBackend(model)
    yield model, backend
    backend.close()


@pytest.fixture(scope="module")
def random() -> Iterator[tuple[Artifact, EagerBackend]]:
    model = artifact("generator", unknown_params=Unknown.ALLOW)
    backend = EagerBackend(model)
    yield model, backend
    backend.close()


def _items(
    model: Artifact, *prompts: str, stop: tuple[str, ...] = (), seed: int | None = None, **parameters: Any
) -> Any:
    parameters = {"do_sample": False, "max_new_tokens": 300, "return_full_text": False, **parameters}
    return prepare(GenerateTextRequest(prompts, parameters, stop, seed), model).items


def _sequences(row: Row) -> list[list[int]]:
    return [ids[:length].tolist() for ids, length in zip(row["tokens"], row["lengths"], strict=True)]


def test_a_sequence_ends_with_its_end_token(model: Artifact, backend: EagerBackend) -> None:
    [item] = _items(model, "a")
    [row] = backend.run(batch(item))
    assert _sequences(row) == [[*SCRIPT, END]]
    assert row["done"].tolist() == [True]


def test_sequences_end_each_in_its_own_time(model: Artifact, backend: EagerBackend) -> None:
    """The longer a prompt is, the later in the script it begins."""
    items = _items(model, "a", "a b c d", "a b")
    lengths = [item.length for item in items]
    rows = backend.run(batch(*items))
    assert [_sequences(row)[0] for row in rows] == [[*SCRIPT[length - 1 :], END] for length in lengths]
    assert len({len(row["tokens"][0]) for row in rows}) == 1


@pytest.mark.parametrize("count", [1, 2, 5])
def test_no_more_tokens_than_asked_for(model: Artifact, backend: EagerBackend, count: int) -> None:
    [item] = _items(model, "a", max_new_tokens=count)
    [row] = backend.run(batch(item))
    assert _sequences(row) == [SCRIPT[:count]]


def test_the_models_positions_end_a_sequence(endless: tuple[Artifact, EagerBackend]) -> None:
    model, backend = endless
    [item] = _items(model, "a", max_new_tokens=4000)
    [row] = backend.run(batch(item))
    assert len(_sequences(row)[0]) == POSITIONS - item.length


STOPS = [
    pytest.param((" four",), tokens(" one two three four"), id="a word"),
    pytest.param(("our",), tokens(" one two three four"), id="a part of a word"),
    pytest.param(("two three",), tokens(" one two three"), id="several words"),
    pytest.param(("never", " two"), tokens(" one two"), id="the first of several that comes"),
    pytest.param(("never",), [*SCRIPT, END], id="none"),
]


@pytest.mark.parametrize(("stop", "expected"), STOPS)
def test_a_stop_text_ends_a_sequence(
    model: Artifact, backend: EagerBackend, stop: tuple[str, ...], expected: list[int]
) -> None:
    [item] = _items(model, "a", stop=stop)
    assert _sequences(backend.run(batch(item))[0]) == [expected]


def test_stop_texts_of_a_batch_are_each_callers_own(model: Artifact, backend: EagerBackend) -> None:
    [one], [other], [third] = (_items(model, "a", stop=stop) for stop in ((" two",), (" five",), ()))
    rows = backend.run(batch(one, other, third))
    expected = [tokens(" one two"), tokens(" one two three four five"), [*SCRIPT, END]]
    assert [_sequences(row)[0] for row in rows] == expected


def test_a_stop_text_in_the_prompt_does_not_count(model: Artifact, backend: EagerBackend) -> None:
    [item] = _items(model, "a b", stop=("b",))
    assert len(_sequences(backend.run(batch(item))[0])[0]) > 1


STOPPED = [
    pytest.param(
        " one two 日本語日本語日本語 three four five six", "日本語日本語日本語", id="characters of many tokens"
    ),
    pytest.param(" one two , three four five six seven", "two,", id="a text that clean-up makes"),
]


@pytest.mark.parametrize(("text", "stop"), STOPPED)
def test_a_stop_text_spares_the_steps_behind_it(text: str, stop: str) -> None:
    script = [END, *tokens(text), *[300] * 40]
    model = parrot(script)
    backend = EagerBackend(model)
    request = GenerateTextRequest(("a",), {"do_sample": False, "max_new_tokens": 60}, (stop,))
    prepared = prepare(request, model)
    rows = backend.run(batch(*prepared.items))
    backend.close()
    [sequence] = prepared.decode(rows).results[0].sequences
    assert sequence.finish_reason is FinishReason.STOP_SEQUENCE
    assert sequence.token_count <= len(tokens(text))


def test_a_stop_text_that_clean_up_takes_away_is_no_end() -> None:
    """Text and execution must agree on what was said: here it is `two, three`."""
    text = " one two , three four five six seven"
    model = parrot([END, *tokens(text), END])
    backend = EagerBackend(model)
    request = GenerateTextRequest(("a",), {"do_sample": False, "max_new_tokens": 60}, (" ,",))
    prepared = prepare(request, model)
    rows = backend.run(batch(*prepared.items))
    backend.close()
    [sequence] = prepared.decode(rows).results[0].sequences
    stopped = sequence.finish_reason is FinishReason.STOP_SEQUENCE
    assert stopped or sequence.text == "a one two, three four five six seven"


def test_several_sequences_of_a_prompt_end_each_in_its_own_time(random: tuple[Artifact, EagerBackend]) -> None:
    model, backend = random
    ends = list(range(0, 600, 7))
    items = _items(
        model, "one", "two words", do_sample=True, num_return_sequences=3, max_new_tokens=30, eos_token_id=ends
    )
    for row in backend.run(batch(*items)):
        sequences = _sequences(row)
        assert len(sequences) == 3
        for ids in sequences:
            assert not set(ids[:-1]) & set(ends)
            assert ids[-1] in ends or len(ids) == 30


def test_the_last_of_a_stream_is_what_run_gives(model: Artifact, backend: EagerBackend) -> None:
    items = _items(model, "a", "a b c", stop=(" nine",))
    *_, last = backend.stream(batch(*items))
    expected = backend.run(batch(*items))
    assert [_sequences(row) for row in last] == [_sequences(row) for row in expected]
    assert all(row["done"].all() for row in last)


def test_every_step_is_a_beginning_of_the_next(model: Artifact, backend: EagerBackend) -> None:
    items = _items(model, "a", "a b c", stop=(" three",))
    seen: list[list[list[int]]] = [[[]], [[]]]
    for rows in backend.stream(batch(*items)):
        for index, row in enumerate(rows):
            for before, now in zip(seen[index], _sequences(row), strict=True):
                assert now[: len(before)] == before
            seen[index] = _sequences(row)


def test_a_sequence_that_has_ended_is_done_while_others_go_on(endless: tuple[Artifact, EagerBackend]) -> None:
    model, backend = endless
    [short], [long] = (_items(model, "a", stop=stop) for stop in ((TOKENIZER.decode([301, 300]),), ()))
    states = []
    for rows in backend.stream(batch(short, long)):
        states.append((rows[0]["done"][0], rows[1]["done"][0]))
        if rows[0]["done"][0]:
            assert _sequences(rows[0]) == [[301, 300]]
    assert (True, False) in states
    assert states[-1] == (True, True)


def test_beams_have_nothing_to_show_before_their_end(random: tuple[Artifact, EagerBackend]) -> None:
    model, backend = random
    items = _items(model, "one", num_beams=3, num_return_sequences=2, max_new_tokens=8)
    [last] = backend.stream(batch(*items))
    assert [_sequences(row) for row in last] == [_sequences(row) for row in backend.run(batch(*items))]


def test_beams_end_with_their_end_tokens(random: tuple[Artifact, EagerBackend]) -> None:
    model, backend = random
    ends = list(range(0, 600, 5))
    items = _items(model, "one", num_beams=3, num_return_sequences=3, max_new_tokens=20, eos_token_id=ends)
    sequences = _sequences(backend.run(batch(*items))[0])
    assert len({len(ids) for ids in sequences}) > 1
    for ids in sequences:
        assert not set(ids[:-1]) & set(ends)
        assert ids[-1] in ends or len(ids) == 20


def test_a_reader_who_stops_ends_the_generation(endless: tuple[Artifact, EagerBackend]) -> None:
    """The watch counts the steps: each looks at it at least once, and there would be hundreds."""
    model, backend = endless
    [item] = _items(model, "a")
    watch = Patience(100_000)
    steps = backend.stream(Batch((item,), (watch,)))
    next(steps)
    steps.close()
    assert watch.looks is not None
    assert 100_000 - watch.looks < len(LONG)
    assert _sequences(backend.run(batch(*_items(model, "a", max_new_tokens=2)))[0]) == [[301, 300]]


def test_a_generation_that_nobody_waits_for_ends_early(endless: tuple[Artifact, EagerBackend]) -> None:
    model, backend = endless
    [item] = _items(model, "a")
    [row] = backend.run(Batch((item,), (Patience(5),)))
    assert len(_sequences(row)[0]) <= 6


def test_beams_that_nobody_waits_for_end_early(endless: tuple[Artifact, EagerBackend]) -> None:
    model, backend = endless
    [item] = _items(model, "a", num_beams=2)
    [row] = backend.run(Batch((item,), (Patience(5),)))
    assert row["tokens"].shape[1] <= 7


def test_who_leaves_does_not_end_the_others(model: Artifact, backend: EagerBackend) -> None:
    gone, stays = _items(model, "a", "a")
    rows = backend.run(Batch((gone, stays), (Patience(0), Patience())))
    assert len(_sequences(rows[0])[0]) == 1
    assert _sequences(rows[1]) == [[*SCRIPT, END]]


def test_a_seed_makes_sampling_repeatable(random: tuple[Artifact, EagerBackend]) -> None:
    model, backend = random
    sampled = {"do_sample": True, "max_new_tokens": 12, "temperature": 5.0}
    runs = [_sequences(backend.run(batch(*_items(model, "one", seed=seed, **sampled)))[0]) for seed in (1, 2, 1)]
    assert runs[0] == runs[2] != runs[1]


def test_a_seed_does_not_depend_on_what_ran_before(random: tuple[Artifact, EagerBackend]) -> None:
    model, backend = random
    sampled = {"do_sample": True, "max_new_tokens": 6, "temperature": 5.0}
    seeded = _items(model, "one", seed=3, **sampled)
    first = _sequences(backend.run(batch(*seeded))[0])
    backend.run(batch(*_items(model, "another", **sampled)))
    assert _sequences(backend.run(batch(*seeded))[0]) == first


def test_a_stream_with_a_seed_is_the_same_as_a_run(random: tuple[Artifact, EagerBackend]) -> None:
    model, backend = random
    items = _items(model, "one", seed=4, do_sample=True, max_new_tokens=8, temperature=5.0)
    *_, last = backend.stream(batch(*items))
    assert _sequences(last[0]) == _sequences(backend.run(batch(*items))[0])


def test_a_stream_whose_options_are_refused_says_so(model: Artifact, backend: EagerBackend) -> None:
    [item] = _items(model, "a")
    refused: Item = replace(item, run=generation.run({"frobnicate": 1}))
    with pytest.raises(RefusedOptions):
        list(backend.stream(batch(refused)))
    assert _sequences(backend.run(batch(item))[0]) == [[*SCRIPT, END]]


def test_special_tokens_are_no_stop_text(model: Artifact, backend: EagerBackend) -> None:
    [item] = _items(model, "a", stop=(TOKENIZER.decode([END]),), max_new_tokens=3)
    assert _sequences(backend.run(batch(item))[0]) == [SCRIPT[:3]]


def test_rows_hold_integers(model: Artifact, backend: EagerBackend) -> None:
    [row] = backend.run(batch(*_items(model, "a", max_new_tokens=2)))
    assert (row["tokens"].dtype, row["done"].dtype) == (np.dtype("int64"), np.dtype("bool"))
