"""Many runs of one world file: seeds, and other values for its keys."""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import pathlib
import shutil
import tempfile
import weakref
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

from oikos import progress as bars
from oikos.binary import Name, call, options, text_of
from oikos.errors import Error
from oikos.frames import Frame, frame, kind_now
from oikos.world import World, open_world

_TASKS_MAX = 1_000
"""Tasks that are handed to a cluster at once, where nothing else is said."""


def sweep(
    file: Name,
    *,
    seeds: Iterable[int] | str | None = None,
    set: Mapping[str, Any] | None = None,
    out: Name | None = None,
    jobs: int | None = None,
    design: str | None = None,
    samples: int | None = None,
    design_seed: int | None = None,
    keep: str | None = None,
    tape: str | None = None,
    max_cost: str | None = None,
    isolation: str | None = None,
    on: str | None = None,
    progress: bool | None = None,
    binary: Name | None = None,
) -> Sweep:
    """Runs a world file with each seed and each combination of values; returns what came of it (docs/sweeps.md).

    file: A world file, or a file with a table `[sweep]`.
    seeds: Seeds, as `range(20)`, a list, or a text as `1..100`, in which both ends are in.
    set: Keys of the world file, each with its values, as `{"scrip.start": [1, 2]}`; one value is a list of one.
    out: The folder of the results; a sweep that was ended before goes on in it. Without one it is in a folder for its
        time, and gone with the last reference to the `Sweep`.
    jobs: Worlds that run at once; the results are the same.
    design, samples, design_seed: Which values go together: `grid`, `list`, or `latin`, that many samples of ranges
        such as `{"scrip.start": "1..100"}`.
    keep: `worlds` keeps each world's database.
    tape, max_cost, isolation: As in `oikos run`; the cost is that of all runs together.
    on: `ray` makes each run as a task of one core on Ray's cluster (`pip install "oikos-world[ray]"`), or on this
        machine where there is none; `jobs` bounds how many at once, and `max_cost` is dealt out in equal shares. The
        folder, the world file and this package are on every machine under the same names.

    Raises `Error` with the sentence of the binary; a run that fails is a row with its reason.
    """
    if on not in (None, "ray"):
        raise ValueError(f"on={on!r}: a sweep is made here, or on 'ray'")
    if on == "ray" and importlib.util.find_spec("ray") is None:
        raise ImportError('on="ray" needs Ray: pip install "oikos-world[ray]"')
    folder = tempfile.mkdtemp(prefix="oikos-sweep-") if out is None else None
    where = pathlib.Path(os.fspath(out) if folder is None and out is not None else os.path.join(str(folder), "sweep"))
    made = Sweep(where, binary=binary, folder=folder)
    words = [os.fspath(file), "--out", os.fspath(where)]
    words += options(seeds=None if seeds is None else _seeds(seeds), keep=keep)
    words += options(design=design, samples=samples, design_seed=design_seed, max_cost=max_cost)
    words += [f"--set={key}={_values(values)}" for key, values in (set or {}).items()]
    workplace = options(tape=tape, isolation=isolation)
    bar = bars.bar(progress)
    try:
        if on == "ray":
            _on_ray(where, words, workplace, jobs, binary, bar)
        else:
            # Runs that failed make it a no, and are rows with their reasons.
            words = ["sweep", *words, *workplace, *options(jobs=jobs)]
            call(words, binary=binary, may_say_no=True, bar=bar, is_told=progress is not False)
    finally:
        bar.close()
    return made


def _on_ray(
    where: pathlib.Path, words: list[str], workplace: list[str], jobs: int | None, binary: Name | None, bar: bars.Bar
) -> None:
    """Plans a sweep, makes each of its runs as a task of Ray, and puts their rows together."""
    import ray

    if jobs is not None and jobs < 1:
        raise ValueError(f"jobs={jobs}: a sweep has one run at once at least")
    where = where.absolute()
    count = call(["sweep", "plan", *words], binary=binary)["runs"]
    # A task that was lost has stored the row of its run whole, or makes it again.
    task = ray.remote(num_cpus=1, max_retries=3)(_run)
    waiting, done = iter(range(count)), 0
    tasks: list[Any] = []
    try:
        while True:
            more = (jobs or _TASKS_MAX) - len(tasks)
            tasks += [task.remote(os.fspath(where), index, workplace, binary) for index in islice(waiting, more)]
            if not tasks:
                break
            ended, tasks = ray.wait(tasks)
            ray.get(ended)
            done += len(ended)
            bar({"done": done, "of": count, "unit": "runs"})
    finally:
        for left in tasks:
            ray.cancel(left)
    merged = call(["sweep", "merge", os.fspath(where)], binary=binary, may_say_no=True)
    if merged.get("missing"):
        raise Error(f"runs {merged['missing']} have no row in `{where}`: it is not the same folder on all machines", 1)


def _run(where: str, index: int, workplace: list[str], binary: Name | None) -> None:
    """Makes a run of a plan; one that failed is a row with its reason."""
    call(["sweep", "run", where, f"--index={index}", *workplace], binary=binary, may_say_no=True)


class Sweep:
    """The results of a sweep, in a folder. `Sweep("coins-sweep")` reads one that exists."""

    def __init__(self, path: Name, *, binary: Name | None = None, folder: str | None = None) -> None:
        self.path: pathlib.Path = pathlib.Path(path)
        self._binary = binary
        if folder is not None:
            self._gone = weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)

    def __fspath__(self) -> str:
        return os.fspath(self.path)

    @property
    def runs(self) -> Frame:
        """One row a run, by cell and seed: `cell`, `seed`, a column for each key that was set, one for each measure,
        `actions`, `refusals`, `cost`, `state_digest`, `journal_hash`, `status`, `reason`."""
        return self._csv("runs.csv")

    def summary(self) -> Frame:
        """One row a cell and measure, with the values that were set: `n`, `mean`, `sd`, `median`, and the 95 %
        interval, `ci95_low` and `ci95_high`; where `minus` names another cell, of the difference to that, seed by seed.
        """
        return self._csv("summary.csv")

    def timings(self) -> Frame:
        """One row a run: how long it took."""
        return self._csv("timings.csv")

    def series(self) -> Frame:
        """The series of all runs: `cell`, `seed`, `time`, `name`, `value`. They are in a Parquet file, which pyarrow or
        polars reads."""
        path = self.path / "series.parquet"
        if kind_now() == "polars":
            import polars

            return polars.read_parquet(path)
        if importlib.util.find_spec("pyarrow") is not None:
            if kind_now() == "pandas":
                import pandas

                return pandas.read_parquet(path)
            from pyarrow import parquet

            return frame(parquet.read_table(path).to_pylist())
        try:
            import polars
        except ImportError:
            raise ImportError(f"`{path}` is read by pyarrow or polars: `pip install pyarrow`") from None
        return frame(polars.read_parquet(path).iter_rows(named=True))

    def world(self, cell: int, seed: int) -> World:
        """The world of a run, where `keep="worlds"` kept it. Cells are numbered from 1."""
        # The folder of the sweep is there as long as one of its worlds.
        world = open_world(self.path / "worlds" / f"cell-{cell}-seed-{seed}.oikos", binary=self._binary)
        world._world = self
        return world

    @property
    def report(self) -> pathlib.Path:
        """The report, a page for a browser that needs no network."""
        return self.path / "report.html"

    def _csv(self, name: str) -> Frame:
        with open(self.path / name, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        columns = list(rows[0]) if rows else []
        read: dict[str, list[Any]] = {column: _read([row[column] for row in rows]) for column in columns}
        return frame(({column: read[column][at] for column in columns} for at in range(len(rows))), columns)

    def __repr__(self) -> str:
        return f"Sweep({os.fspath(self.path)!r})"


def _seeds(seeds: Iterable[int] | str) -> str:
    """Seeds as the command line takes them: a range with both ends, or one by one."""
    if isinstance(seeds, str):
        return seeds
    if isinstance(seeds, range) and seeds.step == 1 and len(seeds) > 0:
        return f"{seeds.start}..{seeds.stop - 1}"
    return ",".join(str(seed) for seed in seeds)


def _values(values: Any) -> str:
    """Values of a key as the command line takes them: with commas between them."""
    if isinstance(values, (str, Mapping)) or not isinstance(values, Iterable):
        # Here a text may hold several, as a range does.
        return text_of(values)
    return ",".join(_value(value) for value in values)


def _value(value: Any) -> str:
    """One value, as `oikos.run` writes it; a text that would be taken for several is quoted."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) and _is_many(value) else text_of(value)


def _is_many(text: str) -> bool:
    """Whether a text has a comma outside of brackets."""
    depth = 0
    for letter in text:
        depth += (letter in "([{") - (letter in ")]}")
        if letter == "," and depth <= 0:
            return not text.lstrip().startswith(('"', "'"))
    return False


def _read(cells: list[str]) -> list[Any]:
    """A column of texts as whole numbers, else as numbers, truths, or as they are; an empty cell is None."""

    def read(as_a: Any) -> list[Any]:
        return [None if cell == "" else as_a(cell) for cell in cells]

    for kind in (_whole, float, _truth):
        try:
            return read(kind)
        except ValueError:
            continue
    return read(str)


def _whole(cell: str) -> int:
    # A hash may be all digits, and is no number.
    if len(cell) > 20 or not cell.removeprefix("-").isdigit():
        raise ValueError(cell)
    return int(cell)


def _truth(cell: str) -> bool:
    if cell not in ("true", "false"):
        raise ValueError(cell)
    return cell == "true"
