"""A fisher: takes the same number of fish each day, as long as there are so many."""


def step(observation):
    return {"op": "invoke", "artifact": "lake", "method": "fish", "args": [parameters["harvest"]]}
