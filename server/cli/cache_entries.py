"""`savor cache`: what servers keep of compiled models, told without loading any of them."""

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import typer
from rich.filesize import decimal
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn
from rich.table import Column
from rich.text import Text

from savor.accel.cache import Cache, CacheUnusable
from savor.accel.content import digest_of, versions
from savor.accel.entry import Damaged, Entry
from savor.server.cli.json_lines import print_line
from savor.server.cli.screen import fail, line, open_screen, plain, table
from savor.server.settings import SettingsError, read_settings

_FAILED, _USAGE = 1, 2
_KEY_CHARS = 12
_TOLD_BESIDE = frozenset({"files", "format", "made_s"})


def show(cache_dir: Path | None, *, as_json: bool) -> None:
    """Prints every entry."""
    cache, screen = _open(cache_dir), open_screen()
    entries = cache.entries()
    if as_json:
        for entry in entries:
            print_line(_record(entry))
        return
    if entries:
        columns = ("model", "task", "precision", Column("size", justify="right"), "made", "last used", "verified")
        rows = table("key", *columns, "state")
        for entry in entries:
            rows.add_row(*_row(_record(entry)))
        screen.out.print(rows)
    screen.note(f"{_total(entries)} in {cache.root}")


def remove(prefixes: Sequence[str], cache_dir: Path | None, *, everything: bool) -> None:
    """Removes entries. Exits with 2 where it is not said which, with 1 where one is not there or can't be removed."""
    if bool(prefixes) == everything:
        fail("name the KEYs to remove, or give --all", _USAGE)
    cache, screen = _open(cache_dir), open_screen()
    removed = []
    try:
        for entry in _chosen(cache, prefixes):
            told = (entry.key, _facts(entry).get("model", ""), entry.size_bytes)
            if cache.remove(entry.key):
                removed.append(told)
    except CacheUnusable as error:
        fail(str(error), _FAILED)
    finally:
        for key, model, size in removed:
            screen.out.print(line(f"removed {key[:_KEY_CHARS]} {model} {decimal(size)}"))
    screen.note(f"{len(removed)} removed, {decimal(sum(size for _, _, size in removed))}")


def verify(prefixes: Sequence[str], cache_dir: Path | None) -> None:
    """Reads every file of entries, and says of each whether it is sound. Exits with 1 where one is damaged."""
    cache, screen = _open(cache_dir), open_screen()
    entries = _chosen(cache, prefixes)
    damages = {}
    columns = (TextColumn("checking"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=screen.notes, transient=True, disable=not screen.notes.is_terminal) as progress:
        task = progress.add_task("", total=sum(entry.size_bytes for entry in entries))

        def digest(file: Path) -> str:
            found = digest_of(file)
            progress.advance(task, file.stat().st_size)
            return found

        for entry in entries:
            try:
                entry.check(digest)
            except Damaged as error:
                damages[entry.key] = str(error)
    for entry in entries:
        damage = damages.get(entry.key)
        verdict = line(f"damaged: {damage}", "bold red") if damage else plain("sound", "green")
        screen.out.print(Text.assemble(entry.key[:_KEY_CHARS], " ", verdict), soft_wrap=True)
    screen.note(f"{_total(entries)} checked, {len(damages)} damaged")
    if damages:
        screen.note("savor cache rm removes them; a server that needs one makes it anew by itself")
        raise typer.Exit(_FAILED)


def _open(cache_dir: Path | None) -> Cache:
    try:
        settings = read_settings(None, {"cache": {"dir": cache_dir}}).cache
    except SettingsError as error:
        fail(str(error), _USAGE)
    return Cache(settings.dir, settings.max_bytes)


def _chosen(cache: Cache, prefixes: Sequence[str]) -> list[Entry]:
    """The entries whose keys begin so, all without any."""
    entries = cache.entries()
    if not prefixes:
        return entries
    chosen = {entry.key: entry for prefix in prefixes for entry in [_one(prefix, entries, cache.root)]}
    return list(chosen.values())


def _one(prefix: str, entries: Sequence[Entry], root: Path) -> Entry:
    found = [entry for entry in entries if prefix and entry.key.startswith(prefix.lower())]
    if not found:
        fail(f"there is no compiled model {prefix!r} in {root}: see savor cache ls", _FAILED)
    if len(found) > 1:
        several = ", ".join(entry.key[: max(_KEY_CHARS, len(prefix) + 4)] for entry in found)
        fail(f"{prefix} may be any of {several}: give more digits", _FAILED)
    return found[0]


def _facts(entry: Entry) -> Mapping[str, Any]:
    try:
        return entry.manifest
    except Damaged:
        return {}


def _record(entry: Entry) -> dict[str, Any]:
    facts = _facts(entry)
    return {
        "key": entry.key,
        "folder": str(entry.folder),
        "state": ", ".join(_state(entry, facts)),
        "size_bytes": entry.size_bytes,
        "made_s": facts.get("made_s"),
        "used_s": entry.used_s,
        **{name: value for name, value in facts.items() if name not in _TOLD_BESIDE},
    }


def _state(entry: Entry, facts: Mapping[str, Any]) -> Iterator[str]:
    """What else is to be known of an entry; its files are `verify`'s to read."""
    if not facts:
        yield "damaged"
    elif facts.get("versions", versions()) != versions():
        yield "of other versions"
    if entry.in_use:
        yield "in use"


def _row(record: Mapping[str, Any]) -> Iterator[Text]:
    yield line(record["key"][:_KEY_CHARS], "bold")
    yield from (plain(str(record.get(name, ""))) for name in ("model", "task", "precision"))
    yield plain(decimal(record["size_bytes"]))
    yield from (plain(_day(record[name])) for name in ("made_s", "used_s"))
    yield _verified(record.get("report") or {})
    yield plain(record["state"])


def _day(time_s: float | None) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(time_s)) if time_s else ""


def _verified(report: Mapping[str, Any]) -> Text:
    """The largest difference from the eager model, as a share of the largest number; empty where none was noted."""
    if "largest_difference" not in report:
        return plain("")
    allowed = (report.get("tolerance") or {}).get("difference")
    said = f"{report['largest_difference']:.1g}" + (f" of {allowed:g}" if allowed is not None else "")
    return plain(said, "green") if report.get("passed") else plain(f"{said}: not used", "red")


def _total(entries: Sequence[Entry]) -> str:
    return f"{len(entries)} compiled models, {decimal(sum(entry.size_bytes for entry in entries))},"
