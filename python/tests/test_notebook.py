"""The notebook of the documentation: each of its cells runs, one after the other, as a reader would run them."""

import contextlib
import io
import json
import os
import pathlib
import unittest

NOTEBOOK = pathlib.Path(__file__).parents[2] / "docs" / "notebooks" / "first_look.ipynb"


@unittest.skipUnless(NOTEBOOK.is_file(), "the notebook stands in the repository alone")
class Notebooks(unittest.TestCase):
    def test_each_cell_runs(self):
        cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
        code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
        self.assertGreater(len(code), 10)
        names, printed = {}, io.StringIO()
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(NOTEBOOK.parent)
        with contextlib.redirect_stdout(printed):
            for number, text in enumerate(code):
                exec(compile(text, f"cell {number}", "exec"), names)
        self.assertIn("the end richest", printed.getvalue())
        self.assertIn("insufficient_scrip 50 1", printed.getvalue())
        names["world"] = names["other"] = names["swept"] = None
        self.assertEqual(os.listdir(NOTEBOOK.parent), [NOTEBOOK.name], "nothing is left beside it")
