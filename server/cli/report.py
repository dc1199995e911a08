"""What a verification found, in lines or as a table."""

from collections.abc import Iterator
from typing import Any

from rich.table import Column, Table

from savor.server.cli.screen import plain, table


def report_lines(report: Any) -> Iterator[str]:
    """The lines of a report that a server told (`savor.client.VerificationReport`)."""
    yield (
        f"largest difference from eager {report.largest_difference:.2g}, mean {report.mean_difference:.2g} "
        f"(allowed: {report.allowed_difference:g})"
    )
    yield f"{report.agreement:.1%} of labels and tokens equal (asked: {report.asked_agreement:.0%})"
    width = max((len(each.name) for each in report.probes), default=0)
    for each in report.probes:
        yield f"  {each.name:{width}}  {each.largest_difference:.1e}  {each.agreement:.0%}"


def report_table(report: Any) -> Table:
    """The probes of the server's own report (`savor.accel.report.Report`); those beyond what is allowed stand out."""
    numbers = (Column(name, justify="right") for name in ("largest difference", "mean difference", "equal"))
    rows = table("probe", *numbers)
    for each in report.probes:
        far = each.largest_difference > report.tolerance.difference
        rows.add_row(
            plain(each.name),
            plain(f"{each.largest_difference:.1e}", "red" if far else ""),
            plain(f"{each.mean_difference:.1e}"),
            plain(f"{each.agreement:.1%}"),
        )
    return rows
