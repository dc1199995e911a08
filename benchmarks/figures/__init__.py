"""What is measured, one module for each figure: each measures by a plan and leaves an outcome."""

from collections.abc import Sequence

from benchmarks.figures import abandoned, gpu, idle, kinds, limit, overload, peers, startup
from benchmarks.figures.figure import Figure

FIGURES: Sequence[Figure] = (
    limit.FIGURE,
    peers.FIGURE,
    idle.FIGURE,
    abandoned.FIGURE,
    overload.FIGURE,
    startup.FIGURE,
    kinds.FIGURE,
    gpu.FIGURE,
)
"""All figures, in the order of the page."""
