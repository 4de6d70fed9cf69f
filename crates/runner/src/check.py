"""The facts about an agent's code that need no run of it: the parameters of its functions, and the modules that it
imports and that are not there."""

import ast


def names(nodes):
    """The names that statements bind, those in their blocks too."""
    found = set()
    for node in nodes:
        for part in ast.walk(node):
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                found.add(part.id)
            elif isinstance(part, ast.alias):
                found.add((part.asname or part.name).split(".")[0])
            elif isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                found.add(part.name)
            elif isinstance(part, ast.Name) and part.id in ("exec", "globals", "setattr"):
                found.add("*")
    return found


def parameters(function):
    """How many arguments it must be given, and how many it takes (none is any number); whether others must be named."""
    given = function.args
    takes = len(given.posonlyargs) + len(given.args)
    named = any(default is None for default in given.kw_defaults)
    return {
        "line": function.lineno,
        "least": takes - len(given.defaults),
        "most": None if given.vararg else takes,
        "named": named,
        "known": not function.decorator_list,
    }


def imports(tree):
    """The imports that nothing catches the failure of: (line, module, name or none, whether it is certain to run)."""
    found = []

    def walk(node, inner):
        for part in ast.iter_child_nodes(node):
            if isinstance(part, ast.Import):
                found.extend((part.lineno, alias.name, None, not inner) for alias in part.names)
            elif isinstance(part, ast.ImportFrom) and part.level == 0:
                found.extend((part.lineno, part.module, alias.name, not inner) for alias in part.names)
            elif isinstance(part, (ast.Try, ast.TryStar)):
                for rest in part.handlers + part.orelse + part.finalbody:
                    walk(rest, True)
            else:
                walk(part, True)

    walk(tree, False)
    return found


def missing(module, name):
    """Why an import fails, or None."""
    try:
        found = __import__(module, fromlist=["*"] if name else [])
        if name and name != "*" and not hasattr(found, name):
            __import__(f"{module}.{name}")
    except ImportError as error:
        if isinstance(error, ModuleNotFoundError) and name and error.name == f"{module}.{name}":
            return f"cannot import name '{name}' from '{module}'"
        return str(error)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def run(code):
    tree = ast.parse(code)
    functions = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            functions[node.name] = parameters(node)
    problems = []
    for line, module, name, certain in imports(tree):
        why = missing(module, name)
        if why is not None and (line, why, certain) not in problems:
            problems.append((line, why, certain))
    return {"functions": functions, "names": sorted(names(tree.body)), "imports": problems}
