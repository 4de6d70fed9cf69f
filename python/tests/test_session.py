"""Sessions: requests and answers, refusals as exceptions, and the end of the process."""

import unittest

from oikos import Refused, Session, SessionEnded
from tests.worlds import AUTONOMOUS, BINARY, TICK, pay, world_file


class Sessions(unittest.TestCase):
    def session(self, text, **more):
        session = Session(world_file(self, text), binary=BINARY, **more)
        self.addCleanup(session.close)
        return session

    def test_a_world_is_driven(self):
        world = self.session(AUTONOMOUS)
        self.assertEqual(world.act("alice", pay("bob", 4))["result"], {"balance": 6})
        self.assertEqual(world.act("alice", [pay("bob", 1), pay("bob", 90)])["error"]["index"], 1)
        self.assertEqual(world.query("supply"), 23)
        turns = world.run(**{"for": "10s"})["turns"]
        who = turns[0]["as"]
        self.assertEqual(turns[0]["observation"]["self"]["id"], who)
        self.assertEqual(world.observe(who)["self"], turns[0]["observation"]["self"])
        self.assertTrue(world.decide(who, [pay("carol", 1)])["ok"])
        self.assertEqual(world.advance("1s"), world.verify()["time"])

    def test_a_refusal_is_an_exception_and_changes_nothing(self):
        world = self.session(AUTONOMOUS)
        for request, code in [
            ({"query": {"what": "balnces"}}, "invalid_argument"),
            ({"observe": "nobody"}, "not_found"),
            ({"nonsense": 1}, "invalid_argument"),
        ]:
            with self.assertRaises(Refused) as raised:
                world.request(**request)
            self.assertEqual(raised.exception.code, code)
            self.assertTrue(raised.exception.message)
        world.run(**{"for": "10s"})
        with self.assertRaises(Refused) as raised:
            world.decide("carol", [])
        self.assertEqual(raised.exception.code, "conflict")
        self.assertIn("run", raised.exception.hint)
        self.assertEqual(world.query("supply"), 23)

    def test_other_values_and_seeds(self):
        world = self.session(TICK, seed=7, set={"execution.ticks": 2, "world.name": "other"})
        self.assertEqual(world.run(ticks=1)["stopped"], "turns")

    def test_a_session_that_dies_says_so(self):
        with self.assertRaises(SessionEnded) as raised:
            self.session("[wrld]\n").query("supply")
        self.assertEqual(raised.exception.status, 2)
        self.assertIn("wrld", raised.exception.told)
        world = self.session(TICK)
        world.query("supply")
        world._process.kill()
        world._process.wait()
        for _ in range(2):
            with self.assertRaises(SessionEnded):
                world.query("supply")
        self.assertLess(world.close(), 0)

    def test_close_ends_the_process(self):
        world = self.session(TICK)
        world.query("supply")
        self.assertEqual([world.close(), world.close()], [0, 0])
        with self.assertRaises(SessionEnded):
            world.query("supply")
        with Session(world_file(self, TICK), binary=BINARY) as inner:
            inner.query("supply")
        self.assertEqual(inner._process.poll(), 0)
        with self.assertRaises(FileNotFoundError) as raised:
            Session("w.toml", binary="there_is_no_such_program")
        self.assertIn("binary=", str(raised.exception))


if __name__ == "__main__":
    unittest.main()
