"""An imitator: copies the dearest tool whose code it can read, and offers the copy for less.

Makers notice copies and put their tools behind the paywall, so imitators hit `permission_denied`.
"""

TOOLS_MAX = 2


def step(observation):
    this = observation["self"]
    tools = query("artifacts", type="tool")
    mine = [tool for tool in tools if tool["owner"] == this["id"]]
    there = [tool["id"] for tool in tools]
    for tool in mine:
        if any(part not in there for part in tool["depends_on"]) or (tool["price"] == 1 and random() < 0.03):
            return {"op": "delete", "artifact": tool["id"]}
    if len(mine) < TOOLS_MAX and random() < 0.1:
        return copy(this, tools, observation["tick"])
    if mine and random() < 0.2:
        return undercut(tools, mine[int(random() * len(mine))])
    if random() < this["scrip"] / 80:
        return buy_reports(this)
    return None


def copy(this, tools, tick):
    """Reads and writes in one snippet: what is read can't change before it is copied."""
    others = [tool for tool in tools if tool["owner"] != this["id"] and tool["price"] > 1]
    if not others:
        return None
    by_id = {tool["id"]: tool for tool in others}
    model = by_id[sorted([tool["price"] + 3 * random(), tool["id"]] for tool in others)[-1][1]]
    name = "copy_" + this["id"].split("_")[-1] + "_" + str(tick)
    metadata = {"skill": model["metadata"]["skill"], "copy_of": model["id"]}
    code = (
        "source = read(" + repr(model["id"]) + ", code=True)['code']\n"
        + "write(" + repr(name) + ", kind='tool', code=source, price=" + str(model["price"] - 1)
        + ", depends_on=" + repr(model["depends_on"]) + ", metadata=" + repr(metadata) + ")\n"
    )
    return {"op": "run", "code": code}


def undercut(tools, tool):
    """One less than the cheapest rival, or as much as it takes to be noticed no more."""
    rivals = [other["price"] for other in tools if other["metadata"]["skill"] == tool["metadata"]["skill"]
              and other["owner"] != tool["owner"]]
    price = max(1, min(rivals) - 1) if rivals else tool["price"] + 1
    return {"op": "write", "artifact": tool["id"], "price": price} if price != tool["price"] else None


def buy_reports(this):
    """Market research: the more there is to spend, the more reports, and the dearer ones."""
    reports = [report for report in query("artifacts", type="report") if report["price"] <= this["scrip"] // 10]
    offers = sorted([report["price"] + 3 * random(), report["id"]] for report in reports)
    count = min(8, 1 + this["scrip"] // 80)
    return [{"op": "invoke", "artifact": name} for _, name in offers[-count:]] or None
