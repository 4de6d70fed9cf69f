"""Environments: rewards, ends, refusals, and PettingZoo's own tests of both forms."""

import importlib
import sys
import unittest
import warnings
from unittest import mock

from tests.worlds import AUTONOMOUS, BINARY, TICK, pay, world_file

try:
    from pettingzoo.test import api_test, parallel_api_test

    from oikos import gym
except ImportError:
    gym = None


class WithoutPettingZoo(unittest.TestCase):
    def test_it_is_missed_by_name(self):
        with mock.patch.dict(sys.modules, {"pettingzoo": None}):
            sys.modules.pop("oikos.gym", None)
            with self.assertRaises(ImportError) as raised:
                importlib.import_module("oikos.gym")
        self.assertIn("pip install pettingzoo", str(raised.exception))


@unittest.skipIf(gym is None, "PettingZoo is not installed")
class Environments(unittest.TestCase):
    def made(self, form, text, **more):
        made = form(world_file(self, text), binary=BINARY, **more)
        self.addCleanup(made.close)
        return made

    def test_all_act_at_once_and_what_one_pays_another_has(self):
        env = self.made(gym.parallel_env, TICK)
        self.assertEqual(env.possible_agents, ["alice", "bob"])
        observations, _ = env.reset()
        self.assertEqual(observations["alice"]["self"]["scrip"], 10)
        earned = {"alice": 0.0, "bob": 0.0}
        for _ in range(4):
            observations, rewards, terminated, truncated, infos = env.step({"alice": pay("bob", 2), "bob": None})
            for agent, reward in rewards.items():
                earned[agent] += reward
            self.assertFalse(any(terminated.values()) or any(truncated.values()))
        # Carol gave her three.
        self.assertEqual(earned, {"alice": -8.0 + 3.0, "bob": 8.0})
        self.assertEqual(observations["bob"]["self"]["scrip"], 18)
        self.assertTrue(infos["bob"]["turn"])
        self.assertTrue(observations["alice"]["last"]["ok"])
        self.assertEqual(env.session.query("supply"), 23)
        # Anew, it is the same world.
        again, _ = env.reset()
        self.assertEqual(again["bob"]["self"]["scrip"], 10)

    def test_an_agent_that_sleeps_has_no_turn_and_one_that_is_deleted_ends(self):
        env = self.made(gym.parallel_env, TICK)
        env.reset()
        sleep = {"op": "sleep", "for": "3m"}
        _, _, _, _, infos = env.step({"alice": sleep, "bob": None})
        self.assertEqual((infos["alice"]["turn"], infos["bob"]["turn"]), (False, True))
        gone = [pay("alice", 10), {"op": "delete", "artifact": "bob"}]
        observations, rewards, terminated, truncated, _ = env.step({"alice": None, "bob": gone})
        self.assertEqual((terminated, truncated), ({"alice": False, "bob": True}, {"alice": False, "bob": False}))
        self.assertEqual(env.agents, ["alice"])
        self.assertEqual(set(observations), {"alice", "bob"})
        self.assertEqual(rewards["bob"], 0.0)
        self.assertEqual(set(env.step({"alice": None})[0]), {"alice"})

    def test_a_decision_that_cant_be_read_raises_and_leaves_the_turn_open(self):
        env = self.made(gym.parallel_env, TICK)
        env.reset()
        with self.assertRaises(ValueError):
            env.step({"alice": 5, "bob": None})
        with self.assertRaises(gym.Refused) as raised:
            env.step({"alice": None, "bob": {"op": "trnsfer"}})
        self.assertEqual(raised.exception.code, "invalid_argument")
        self.assertIn("transfer", raised.exception.hint)
        _, rewards, _, _, _ = env.step({"alice": pay("bob", 9), "bob": pay("alice", 1)})
        self.assertEqual(rewards["bob"], -1.0, "Alice had decided before")

    def test_they_act_one_by_one(self):
        for text in [TICK, AUTONOMOUS]:
            env = self.made(gym.env, text, max_cycles=5)
            env.reset()
            total = {agent: 0.0 for agent in env.possible_agents}
            steps = 0
            for agent in env.agent_iter():
                observation, reward, terminated, truncated, info = env.last()
                total[agent] += reward
                self.assertEqual(observation["self"]["id"], agent)
                ended = terminated or truncated
                env.step(None if ended else pay("bob" if agent == "alice" else "alice", 1))
                steps += not ended
            self.assertIn(steps, (9, 10))
            self.assertEqual(env.agents, [])
            self.assertEqual(sum(total.values()), 3.0, "all that Carol gave")

    def test_a_deleted_agent_takes_its_last_step(self):
        env = self.made(gym.env, AUTONOMOUS, max_cycles=9)
        env.reset()
        ends = []
        for agent in env.agent_iter():
            _, _, terminated, truncated, _ = env.last()
            if terminated or truncated:
                ends.append((agent, terminated))
                env.step(None)
            elif agent == "bob":
                env.step([pay("alice", 10), {"op": "delete", "artifact": "bob"}])
            else:
                env.step(None)
        self.assertEqual(ends, [("bob", True), ("alice", False)])

    def test_rewards_may_be_others(self):
        def poverty(agent, before, after):
            return -after["self"]["scrip"]

        env = self.made(gym.parallel_env, TICK, reward=poverty, max_cycles=1)
        env.reset()
        _, rewards, _, truncated, _ = env.step({"alice": pay("bob", 10), "bob": None})
        self.assertEqual(rewards["bob"], -20.0)
        self.assertEqual((truncated, env.agents), ({"alice": True, "bob": True}, []))

    def test_worlds_that_dont_fit_are_refused(self):
        with self.assertRaises(ValueError) as raised:
            self.made(gym.parallel_env, AUTONOMOUS)
        self.assertIn("oikos.gym.env", str(raised.exception))
        with self.assertRaises(ValueError) as raised:
            self.made(gym.env, TICK.replace('mind = "external"', 'code = "def step(o): return None"'))
        self.assertIn("no agent", str(raised.exception))

    def test_close_ends_the_process(self):
        env = self.made(gym.parallel_env, TICK)
        env.reset()
        process = env.session._process
        env.close()
        self.assertEqual(process.poll(), 0)
        with self.assertRaises(RuntimeError):
            env.session.query("supply")
        self.assertEqual(len(env.reset()[0]), 2)

    def test_pettingzoos_own_tests(self):
        with warnings.catch_warnings():
            # It would have observations in arrays.
            warnings.simplefilter("ignore")
            parallel_api_test(self.made(gym.parallel_env, TICK), num_cycles=20)
            for text in [TICK, AUTONOMOUS]:
                api_test(self.made(gym.env, text, max_cycles=20), num_cycles=30)


if __name__ == "__main__":
    unittest.main()
