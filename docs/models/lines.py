"""Counts the lines of the worlds of science and of their Mesa versions: `python docs/models/lines.py`.

Blank lines, comments and docstrings count nothing, nor do the last lines of a Mesa version, which print.
"""

import ast
import pathlib

HERE = pathlib.Path(__file__).parent
WORLDS = HERE.parent.parent / "worlds" / "science"
MESA = {"queue": "queue_mm1"}


def toml(path):
    lines = path.read_text().splitlines()
    return sum(1 for line in lines if line.strip() and not line.lstrip().startswith("#"))


def python(path):
    text = path.read_text().split('\nif __name__ == "__main__":')[0]
    lines = text.splitlines()
    silent = {at for at, line in enumerate(lines, 1) if not line.strip() or line.lstrip().startswith("#")}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node):
            silent.update(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    return len(lines) - len(silent)


def main():
    for world in sorted(WORLDS.glob("*.toml")):
        name = world.stem
        if not name.endswith(".sweep"):
            code = sum(python(path) for path in (WORLDS / name).glob("*.py"))
            file = toml(world)
            print(f"{name} {file} + {code} = {file + code}, Mesa {python(HERE / f'{MESA.get(name, name)}.py')}")


if __name__ == "__main__":
    main()
