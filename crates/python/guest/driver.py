import marshal as _marshal, builtins as _builtins

def _driver(request):
    source, argument = _marshal.loads(request)
    scope = {"call": _builtins._oikos_call}
    exec(source, scope)
    return _marshal.dumps(scope["run"](argument), 2)

_builtins._oikos_driver = _driver

def _boot_warm():
    for _ in range(20):
        _driver(_marshal.dumps(("def run(x):\n    return x + 1\n", 1), 2))
