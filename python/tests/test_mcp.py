"""The official client of the Model Context Protocol, and FastMCP's, live in a world."""

import asyncio
import importlib.util
import pathlib
import unittest

from tests.worlds import BINARY, folder

SHOP = """
[world]
name = "shop"
[execution]
mode = "tick"
ticks = 9
[scrip]
start = 20
[[artifacts]]
id = "bread"
owner = "bob"
price = 3
content = "a loaf"
code = "def run(): return 'a loaf'"
[[agents]]
id = "alice"
mind = "external"
[[agents]]
id = "bob"
code = "def step(o): return {'op': 'transfer', 'to': 'alice', 'amount': 1} if o['tick'] >= 3 else None"
"""


def has(package):
    return importlib.util.find_spec(package) is not None


def arguments(test):
    """The arguments of the process that a client starts."""
    where = pathlib.Path(folder(test))
    (where / "shop.toml").write_text(SHOP)
    return ["mcp", str(where / "shop.toml"), "--as", "alice", "--db", str(where / "shop.oikos")]


class Visits(unittest.TestCase):
    @unittest.skipUnless(has("mcp"), "the package mcp is not there")
    def test_the_official_client_lives_in_a_world(self):
        from mcp import Client, StdioServerParameters

        async def visit(mode):
            server = StdioServerParameters(command=str(pathlib.Path(BINARY).resolve()), args=arguments(self))
            async with Client(server, mode=mode) as client:
                tools = {tool.name: tool for tool in (await client.list_tools()).tools}
                self.assertLessEqual(len(tools), 20)
                self.assertTrue(tools["observe"].annotations.read_only_hint)
                self.assertTrue(tools["transfer"].annotations.destructive_hint)
                paid = await client.call_tool("transfer", {"to": "bob", "amount": 5})
                self.assertFalse(paid.is_error)
                self.assertEqual(paid.structured_content["result"], {"balance": 15})
                refused = await client.call_tool("invoke", {"artifact": "bread", "max_spend": 2})
                self.assertTrue(refused.is_error)
                self.assertEqual(refused.structured_content["error"]["code"], "limit_exceeded")
                bought = await client.call_tool("invoke", {"artifact": "bread", "max_spend": 3})
                self.assertEqual(bought.structured_content["result"], "a loaf")
                slept = await client.call_tool("sleep", {"resource": "scrip", "level": 13, "for": "1h"})
                self.assertEqual(slept.structured_content["ended"]["by"], "level")
                waited = await client.call_tool("wait", {"event": "transfer"})
                self.assertEqual(waited.structured_content["ended"]["by"], "event")
                read = await client.read_resource("oikos://artifact/bread")
                self.assertEqual(read.contents[0].text, "a loaf")
                templates = await client.list_resource_templates()
                self.assertEqual(len(templates.resource_templates), 2)
                return client.protocol_version

        self.assertEqual(asyncio.run(visit("auto")), "2026-07-28")
        self.assertEqual(asyncio.run(visit("legacy")), "2025-11-25")

    @unittest.skipUnless(has("fastmcp"), "the package fastmcp is not there")
    def test_fastmcp_lives_in_a_world(self):
        from fastmcp import Client
        from fastmcp.client.transports import StdioTransport

        async def visit():
            transport = StdioTransport(command=str(pathlib.Path(BINARY).resolve()), args=arguments(self))
            async with Client(transport) as client:
                refused = await client.call_tool("transfer", {"to": "bob", "amount": 500}, raise_on_error=False)
                self.assertTrue(refused.is_error)
                done = await client.call_tool("transfer", {"to": "bob", "amount": 5})
                self.assertEqual(done.structured_content["result"], {"balance": 15})
                slept = await client.call_tool("sleep", {"resource": "scrip", "level": 16, "for": "1h"})
                self.assertEqual(slept.structured_content["ended"]["by"], "level")

        asyncio.run(visit())


if __name__ == "__main__":
    unittest.main()
