"""Exports, read back by the programs that people use: whole numbers are exact, times are in UTC, none is none."""

import datetime
import importlib
import json
import pathlib
import subprocess
import tempfile
import unittest

from tests.worlds import BINARY

MOST = 2**63 - 1
GIVEN = 2**53 + 1

WORLD = f"""
[execution]
ticks = 3
tick_duration = "1h"
[[agents]]
id = "ann"
scrip = {MOST}
code = "def step(o): return {{'op': 'transfer', 'to': 'bob', 'amount': {GIVEN}}}"
[[agents]]
id = "bob"
code = "def step(o): return {{'op': 'transfer', 'to': 'ann', 'amount': {MOST}}}"
"""


def found(name):
    """A module, if it is there."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


class Exports(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        (cls.folder / "w.toml").write_text(WORLD)
        db = cls.folder / "w.oikos"
        cls.oikos("run", cls.folder / "w.toml", "--db", db)
        for form in ("parquet", "csv", "jsonl"):
            cls.oikos("export", db, "--out", cls.folder, "--format", form)

    @classmethod
    def oikos(cls, *arguments):
        done = subprocess.run([BINARY, *map(str, arguments), "--json"], capture_output=True, check=False)
        if done.returncode != 0:
            raise AssertionError(done.stderr.decode())
        return json.loads(done.stdout)

    def need(self, *names):
        modules = [found(name) for name in names]
        for name, module in zip(names, modules):
            if module is None:
                self.skipTest(f"there is no {name} here")
        return modules[0]

    def check(self, payments, accounts, actions):
        """Rows as tuples: payments (payer, amount), accounts (principal, amount of scrip), actions (code, time)."""
        self.assertEqual(payments, [("ann", GIVEN)] * 3)
        self.assertEqual(dict(accounts)["ann"], MOST - 3 * GIVEN)
        self.assertEqual(dict(accounts)["bob"], 3 * GIVEN)
        self.assertEqual(sorted({code for code, _ in actions if code}), ["insufficient_scrip"])
        hours = sorted({time for _, time in actions})
        self.assertEqual(hours[1] - hours[0], datetime.timedelta(hours=1))
        self.assertEqual(hours[0], datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc))

    def test_pandas(self):
        pandas = self.need("pandas", "pyarrow")
        for form in ("parquet", "csv"):
            def read(name):
                path = self.folder / f"{name}.{form}"
                frame = pandas.read_parquet(path) if form == "parquet" else pandas.read_csv(path)
                frame["time"] = pandas.to_datetime(frame["time"], utc=True)
                return frame
            payments, accounts, actions = map(read, ("payments", "accounts", "actions"))
            self.assertEqual(str(payments["amount"].dtype), "int64")
            scrip = accounts[accounts["resource"] == "scrip"]
            codes = actions["code"].astype(object).where(actions["code"].notna(), None)
            self.check(
                list(zip(payments["payer"], map(int, payments["amount"]))),
                list(zip(scrip["principal"], map(int, scrip["amount"]))),
                list(zip(codes, [time.to_pydatetime() for time in actions["time"]])),
            )

    def test_pandas_keeps_whole_numbers_where_some_are_none(self):
        pandas = self.need("pandas", "pyarrow")
        events = pandas.read_parquet(self.folder / "events.parquet", dtype_backend="numpy_nullable")
        self.assertEqual(str(events["amount"].dtype), "Int64")
        given = events[events["type"] == "transfer"]
        self.assertEqual([int(amount) for amount in given["amount"]], [GIVEN] * 3)
        self.assertTrue(events[events["type"] == "spawn"]["amount"].isna().all())

    def test_polars(self):
        polars = self.need("polars")
        for read in (
            lambda name: polars.read_parquet(self.folder / f"{name}.parquet"),
            lambda name: polars.read_csv(self.folder / f"{name}.csv", try_parse_dates=True),
        ):
            payments, accounts, actions = map(read, ("payments", "accounts", "actions"))
            self.assertEqual(payments.schema["amount"], polars.Int64)
            scrip = accounts.filter(polars.col("resource") == "scrip")
            self.check(
                payments.select("payer", "amount").rows(),
                scrip.select("principal", "amount").rows(),
                actions.select("code", polars.col("time").dt.replace_time_zone("UTC")).rows()
                if actions.schema["time"].time_zone is None
                else actions.select("code", "time").rows(),
            )

    def test_duckdb(self):
        duckdb = self.need("duckdb")
        duckdb.sql("SET TimeZone = 'UTC'")
        for form in ("parquet", "csv", "jsonl"):
            def rows(sql, name):
                return duckdb.sql(sql.format(self.folder / f"{name}.{form}")).fetchall()
            actions = rows("SELECT code, epoch_ms(time::TIMESTAMPTZ) FROM '{}'", "actions")
            start = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
            self.check(
                rows("SELECT payer, amount FROM '{}'", "payments"),
                rows("SELECT principal, amount FROM '{}' WHERE resource = 'scrip'", "accounts"),
                [(code, start + datetime.timedelta(milliseconds=time)) for code, time in actions],
            )

    def test_arrow_sees_the_types(self):
        parquet = self.need("pyarrow.parquet")
        file = parquet.ParquetFile(self.folder / "actions.parquet")
        kinds = {field.name: str(field.type) for field in file.schema_arrow}
        self.assertEqual(kinds["time"], "timestamp[ms, tz=UTC]")
        self.assertEqual((kinds["seq"], kinds["ok"], kinds["actor"]), ("int64", "bool", "string"))
        group = file.metadata.row_group(0)
        encodings = {group.column(at).path_in_schema: group.column(at).encodings for at in range(group.num_columns)}
        for name in ("actor", "op", "target", "code"):
            self.assertIn("RLE_DICTIONARY", encodings[name])
