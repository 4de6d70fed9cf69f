"""census: counts the reports that scholars write, and looks at the market for those who measure."""


def count():
    """Called by scholars with each report."""
    storage_set("reports", storage_get("reports", 0) + 1)


def reports():
    """How many reports were ever written."""
    return storage_get("reports", 0)


def tools():
    """How many tools there are."""
    return len(query("artifacts", type="tool"))


def tool_price():
    """The average price of a tool."""
    prices = [tool["price"] for tool in query("artifacts", type="tool")]
    return sum(prices) / len(prices) if prices else 0.0
