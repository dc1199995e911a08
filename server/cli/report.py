"""What a verification found, in lines."""

from collections.abc import Iterator
from typing import Any


def report_lines(report: Any) -> Iterator[str]:
    """The lines of a report, the server's own (`savor.accel.report.Report`) or one that a server told."""
    yield f"largest difference {report.largest_difference:.2g}, mean {report.mean_difference:.2g}"
    yield f"{report.agreement:.1%} of labels and tokens equal"
    width = max((len(each.name) for each in report.probes), default=0)
    for each in report.probes:
        yield f"  {each.name:{width}}  {each.largest_difference:.1e}  {each.agreement:.0%}"
