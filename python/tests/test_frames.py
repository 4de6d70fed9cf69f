"""Data frames: exact numbers, moments, and rows that lack something, in every library that is installed."""

import datetime
import importlib.util
import unittest

import oikos

LARGE = 2**63 - 1
ROWS = [
    {"time": "2026-01-01T00:00:00.000Z", "amount": LARGE, "share": 0.5, "who": "ann", "ok": True, "more": {"a": 1}},
    {"time": "2026-01-01T00:00:00.001Z", "who": "bea"},
]
THEN = datetime.datetime(2026, 1, 1, 0, 0, 0, 1000, tzinfo=datetime.timezone.utc)


def is_installed(name):
    return importlib.util.find_spec(name) is not None


class Frames(unittest.TestCase):
    def setUp(self):
        self.addCleanup(oikos.frames, None)

    def test_the_kind_is_the_first_that_is_installed(self):
        first = next((kind for kind in ["pandas", "polars"] if is_installed(kind)), "table")
        self.assertEqual(oikos.frames(), first)
        self.assertEqual(oikos.frames("table"), "table")
        self.assertIsInstance(oikos.frame(ROWS), oikos.Table)
        self.assertEqual(oikos.frames(None), first)
        with self.assertRaises(ValueError):
            oikos.frames("arrow")
        for kind in ["pandas", "polars"]:
            if not is_installed(kind):
                with self.assertRaises(ImportError) as raised:
                    oikos.frames(kind)
                self.assertIn(f"pip install {kind}", str(raised.exception))

    def test_a_table_is_rows_and_columns(self):
        oikos.frames("table")
        table = oikos.frame(ROWS, ("who", "never"))
        self.assertEqual(table.columns, ["who", "never", "time", "amount", "share", "ok", "more"])
        self.assertEqual((len(table), table[1]["amount"], table["amount"]), (2, None, [LARGE, None]))
        self.assertEqual((table["time"][1], table[1:]["who"], table["never"]), (THEN, ["bea"], [None, None]))
        self.assertEqual([row["who"] for row in table], ["ann", "bea"])
        with self.assertRaises(KeyError) as raised:
            table["whom"]
        self.assertIn("who", str(raised.exception))
        self.assertIn("2026-01-01T00:00:00.001", repr(table))
        self.assertIn("<td>bea</td>", table._repr_html_())
        self.assertIn("12 rows", repr(oikos.frame([{"a": 1}] * 12)))
        self.assertNotEqual(table, table[1:])
        self.assertEqual((table.head(1), table.tail(1), table.tail(9)), (table[:1], table[1:], table))
        self.assertIn("&lt;b&gt;", oikos.frame([{"a": "<b>"}])._repr_html_())

    @unittest.skipUnless(is_installed("pandas"), "pandas is not installed")
    def test_pandas_loses_nothing(self):
        oikos.frames("pandas")
        found = oikos.frame(ROWS, ("never",))
        self.assertEqual(str(found["amount"].dtype), "Int64")
        self.assertEqual((int(found["amount"][0]), int(found["amount"].isna().sum())), (LARGE, 1))
        self.assertEqual(str(found["time"].dtype), "datetime64[ms, UTC]")
        self.assertEqual(found["time"][1].to_pydatetime(), THEN)
        self.assertEqual((found["share"][0], found["more"][0], len(found["never"])), (0.5, {"a": 1}, 2))
        self.assertEqual(str(oikos.frame([{"a": LARGE}, {"a": -1}])["a"].dtype), "int64")
        self.assertEqual(oikos.frame([{"a": 2**64}, {"a": 0.5}])["a"][0], 2**64)
        self.assertEqual(oikos.frame([{"a": LARGE}, {"a": 0.5}])["a"][0], LARGE)
        self.assertEqual(list(oikos.frame([], ("seq", "time")).columns), ["seq", "time"])

    @unittest.skipUnless(is_installed("polars"), "polars is not installed")
    def test_polars_loses_nothing(self):
        oikos.frames("polars")
        found = oikos.frame(ROWS, ("never",))
        self.assertEqual((found["amount"].to_list(), str(found["amount"].dtype)), ([LARGE, None], "Int64"))
        self.assertEqual(found["time"][1], THEN)
        self.assertEqual((found["share"][0], found["more"][0], len(found["never"])), (0.5, {"a": 1}, 2))
        self.assertEqual(oikos.frame([{"a": 2**64}, {"a": 0.5}])["a"][0], 2**64)
        self.assertEqual(oikos.frame([], ("seq", "time")).columns, ["seq", "time"])


if __name__ == "__main__":
    unittest.main()
