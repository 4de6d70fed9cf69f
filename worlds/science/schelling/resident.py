"""A resident: moves to an empty house drawn at random, as long as too few neighbours are of its own colour."""


def step(observation):
    likeness = invoke("town", me, method="likeness")
    if likeness is None or 100 * likeness >= parameters["wanted"]:
        return None
    house = invoke("genesis_space", "town", 1, method="free")[0]
    return {"op": "invoke", "artifact": "genesis_space", "method": "move", "args": ["town", house]}
