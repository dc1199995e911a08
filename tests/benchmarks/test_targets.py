import asyncio
import os
from pathlib import Path

import pytest

from benchmarks.answers import Answer
from benchmarks.cores import Cores, available, divide, pin
from benchmarks.mlflow_target import answers_in
from benchmarks.process import ServerProcess, StartFailed
from benchmarks.target import CallFailed

EVERYWHERE = Cores(frozenset(), frozenset(), 1)


def test_mlflows_predictions_are_answers() -> None:
    assert answers_in({"predictions": [{"label": "good", "score": 0.5}]}) == [Answer("good", 0.5)]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"error_code": "BAD_REQUEST"}, id="an error"),
        pytest.param({"predictions": ["good"]}, id="no scores"),
        pytest.param(None, id="nothing"),
    ],
)
def test_any_other_reply_is_a_failed_call(body: object) -> None:
    with pytest.raises(CallFailed, match="unknown reply"):
        answers_in(body)


async def test_a_server_that_ends_is_reported_with_what_it_said(tmp_path: Path) -> None:
    process = await ServerProcess.start(["no_such_module"], EVERYWHERE, tmp_path / "server.log")
    with pytest.raises(StartFailed, match=r"(?s)server ended.*no_such_module"):
        await process.until(asyncio.sleep(60))
    await process.stop()


async def test_a_server_is_ended_with_what_it_started(tmp_path: Path) -> None:
    process = await ServerProcess.start(
        ["http.server", "--bind", "127.0.0.1", "0"], EVERYWHERE, tmp_path / "server.log"
    )
    await process.until(asyncio.sleep(0))
    await process.stop()
    await process.stop()


def test_without_pinning_no_core_is_taken() -> None:
    assert divide(1, pinned=False) == EVERYWHERE


def test_nothing_is_pinned_where_no_core_would_be_left_for_the_load() -> None:
    assert divide(len(available()), pinned=True).servers == frozenset()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity") or len(available()) < 2, reason="needs two cores to pin")
def test_a_server_is_born_on_its_cores_and_the_load_stays_on_its_own() -> None:
    before = available()
    cores = divide(1, pinned=True)
    try:
        pin(cores.load)
        with cores.inherited_by_servers():
            assert available() == cores.servers
        assert available() == cores.load
    finally:
        pin(before)
    assert not cores.servers & cores.load
