"""The crier: tells the critic of each tool that is new."""


def step(observation):
    told = storage_get("told", [])
    new = [row["id"] for row in query("artifacts", type="tool") if row["id"] not in told]
    if not new:
        return None
    letters = [{"op": "remember", "artifact": "critic_memory", "text": f"{tool} is new."} for tool in new]
    return [*letters, {"op": "store", "key": "told", "value": told + new}]
