"""The process of `offline`, on the servers' cores, and what to ask of it."""

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.answers import Answer
from benchmarks.cores import Cores
from benchmarks.process import environment
from savor.accel.cache import Cache

_LARGEST_ANSWER = 1 << 24


class GraphMissing(Exception):
    """A cache that holds no graph of a model at the wanted precision."""


def graph_of(compiled: Path, model: Path, precision: str) -> Path:
    """The graph that Savor compiled of a model with one graph. Raises GraphMissing."""
    for entry in Cache(compiled, 0).entries():
        made_of = entry.manifest
        if (made_of["model"], made_of["precision"]) == (str(model), precision):
            return entry.folder / "model.onnx"
    raise GraphMissing(f"{compiled} holds no {precision} graph of {model}")


class Limit:
    """The compiled model, ready to be run in process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, graph: Path, model: Path, cores: Cores) -> "Limit":
        """Loads a graph and the tokenizer of the saved model that it was made of."""
        tokenizer = model / "components" / "tokenizer" / "tokenizer.json"
        command = [sys.executable, "-m", "benchmarks.offline", str(graph), str(tokenizer), str(cores.threads)]
        with cores.inherited_by_servers():
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                cwd=Path(__file__).parents[1],
                env={**os.environ, **environment(cores.threads)},
                limit=_LARGEST_ANSWER,
            )
        return cls(process)

    async def batches(self, size: int, count: int, seconds: float) -> float:
        """See `Offline.batches`."""
        return float(await self._ask(do="batches", size=size, count=count, seconds=seconds))

    async def each(self, texts: Sequence[str]) -> list[tuple[Answer, float]]:
        """The answer to each text alone, and the seconds that it took."""
        given = await self._ask(do="each", asked=list(texts))
        return [(Answer(answer["label"], answer["score"]), answer["seconds"]) for answer in given]

    async def stop(self) -> None:
        """Ends the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()

    async def _ask(self, **order: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        await self._process.stdin.drain()
        return json.loads(await self._process.stdout.readline())
