"""Tables and sweeps: the files that the binary writes, as data frames."""

import importlib.util
import unittest

import oikos
from oikos.binary import call
from tests.test_world import LARGE, Tables
from tests.worlds import COINS, folder, world_file


def has(command):
    """Whether the binary has a command."""
    return any(line.split()[:1] == [command] for line in call(["--help"], is_json=False).splitlines())


@unittest.skipUnless(has("export"), "the binary does not export")
class Exports(Tables):
    def test_a_table_is_exact_and_in_a_span(self):
        world = oikos.run(world_file(self, COINS))
        paid = world.table("payments")
        self.assertEqual((paid["payer"], paid["amount"]), (["ann"] * 4, [1] * 4))
        self.assertEqual(len(world.table("payments", since="tick:0", until="tick:2")), 2)
        accounts = world.table("accounts", every="2m")
        mine = [row["amount"] for row in accounts if (row["principal"], row["resource"]) == ("bea", "scrip")]
        self.assertEqual(mine[-1], LARGE + 4)
        self.assertGreater(len(mine), 1)
        self.assertEqual(world.table("series").rows, world.series().rows)
        self.assertEqual(world.table("series", measures={}).rows, world.series().rows)
        more = world.table("series", measures={"every": "1m", "most": "max(scrip)"})
        most = [row["value"] for row in more if row["name"] == "most"]
        self.assertEqual(most, [float(LARGE + paid) for paid in (1, 2, 3, 4, 4, 4, 4)])
        thoughts = world.table("thoughts")
        self.assertEqual((len(thoughts), "seq" in thoughts.columns), (0, True))
        with self.assertRaises(oikos.Error):
            world.table("nonsense")

    def test_files_are_written_once_unless_forced(self):
        world, out = oikos.run(world_file(self, COINS)), folder(self) / "out"
        self.assertEqual(world.export(out, format="csv", tables=["payments", "series"]), out)
        self.assertEqual(sorted(path.name for path in out.iterdir()), ["payments.csv", "series.csv"])
        with self.assertRaises(oikos.Error):
            world.export(out, format="csv", tables=["series"])
        world.export(out, format="csv", tables=["series"], force=True)


@unittest.skipUnless(has("sweep"), "the binary does not sweep")
class Sweeps(Tables):
    def test_each_seed_runs_with_each_value(self):
        file = world_file(self, COINS)
        least = "quantile(scrip, 0)"
        swept = oikos.sweep(file, seeds=range(3), set={"execution.ticks": [1, 2], "measures.least": [least]}, jobs=1)
        runs = swept.runs
        self.assertEqual(runs["seed"], [0, 1, 2] * 2)
        self.assertEqual(runs["execution.ticks"], [1] * 3 + [2] * 3)
        self.assertEqual((set(runs["status"]), set(runs["measures.least"])), ({"done"}, {least}))
        alone = oikos.run(file, seed=1, set={"execution.ticks": 2, "measures.least": least})
        self.assertEqual(runs[4]["journal_hash"], alone.journal_hash)
        self.assertEqual(runs["least"], [3.0] * 3 + [2.0] * 3)
        rows = [row for row in swept.summary() if row["measure"] == "least"]
        self.assertEqual([row["mean"] for row in rows if row["minus"] is None], [3.0, 2.0])
        self.assertEqual([abs(row["mean"]) for row in rows if row["minus"] is not None], [1.0])
        self.assertTrue(swept.report.exists())
        self.assertEqual(oikos.Sweep(swept.path).runs, runs)

    def test_a_run_that_fails_is_a_row_and_worlds_can_be_kept(self):
        swept = oikos.sweep(
            world_file(self, COINS + '[resources.cpu]\nkind = "renewable"\nrate = "5ms"\nwindow = "60s"\n'),
            seeds="4..5", set={"resources.cpu.rate": ["5ms", "5 apples"]}, keep="worlds", progress=False,
        )
        self.assertEqual(swept.runs["status"], ["done"] * 2 + ["failed"] * 2)
        self.assertIn("apples", swept.runs["reason"][2])
        world = swept.world(1, 5)
        self.assertEqual(world.journal_hash, swept.runs["journal_hash"][1])
        with self.assertRaises(oikos.Error):
            swept.world(2, 5)

    def test_the_series_are_those_of_the_runs(self):
        if not any(map(importlib.util.find_spec, ["pyarrow", "polars"])):
            self.skipTest("neither pyarrow nor polars is installed")
        file = world_file(self, COINS)
        series = oikos.sweep(file, seeds=[7]).series()
        self.assertEqual(series["value"], oikos.run(file, seed=7).series()["value"])
        self.assertEqual(set(series["seed"]), {7})

    def test_seeds_one_by_one_into_a_folder_that_stays(self):
        out = folder(self) / "swept"
        for _ in range(2):
            swept = oikos.sweep(world_file(self, COINS), seeds=[7, 3], set={"execution.ticks": 1}, out=out)
            self.assertEqual(sorted(swept.runs["seed"]), [3, 7])
        with self.assertRaises(oikos.Error) as raised:
            oikos.sweep(world_file(self, COINS), seeds=[7, 7])
        self.assertEqual(raised.exception.status, 2)

    def test_it_is_made_here_or_on_what_there_is(self):
        file = world_file(self, COINS)
        with self.assertRaisesRegex(ValueError, "'dask'"):
            oikos.sweep(file, on="dask")
        if importlib.util.find_spec("ray") is None:
            with self.assertRaisesRegex(ImportError, "pip install"):
                oikos.sweep(file, on="ray")


if __name__ == "__main__":
    unittest.main()
