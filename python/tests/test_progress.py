"""Progress: a bar where somebody sees it, fed by what the binary says."""

import contextlib
import io
import sys
import types
import unittest
from unittest import mock

from oikos import progress
from oikos.binary import call
from tests.worlds import COINS, folder, world_file


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Bars(unittest.TestCase):
    def test_a_run_says_how_far_it_is(self):
        seen = []
        call(["run", str(world_file(self, COINS)), "--db", str(folder(self) / "w.oikos")], bar=seen.append)
        self.assertTrue(seen)
        self.assertEqual({(far["of"], far["unit"]) for far in seen}, {(6, "ticks")})
        self.assertTrue(all(0 <= far["done"] <= 6 for far in seen))

    def test_it_is_drawn_where_somebody_sees_it(self):
        self.assertIsInstance(progress.bar(False), progress.NoBar)
        with contextlib.redirect_stderr(io.StringIO()):
            self.assertIsInstance(progress.bar(), progress.NoBar)
        with contextlib.redirect_stderr(Terminal()) as shown:
            bar = progress.bar()
            bar({"done": 3, "of": 6, "unit": "ticks"})
            bar({"done": 0, "of": 0})
            bar.close()
        self.assertIn("█" * 20 + "░" * 20 + " 3/6 ticks", shown.getvalue())
        self.assertTrue(shown.getvalue().endswith("\r\x1b[K"))

    def test_a_notebook_has_one_beneath_the_cell(self):
        shown = mock.Mock()
        jupyter = types.SimpleNamespace(get_ipython=lambda: types.SimpleNamespace(kernel=1), display=shown)
        with mock.patch.dict(sys.modules, {"IPython": jupyter}):
            bar = progress.bar()
            bar({"done": 3, "of": 6, "unit": "<ticks>"})
            bar.close()
        picture = shown.HTML.call_args_list[0].args[0]
        self.assertIn('value="0.5000"', picture)
        self.assertIn("3/6 &lt;ticks&gt;", picture)
        shown.display.return_value.update.assert_called_once()


if __name__ == "__main__":
    unittest.main()
