"""Worlds as environments of PettingZoo, over `oikos session`.

`env` is the form in which agents act one by one (AEC), for every world; `parallel_env` that in which all act at once,
for worlds in ticks. The agents of an environment are those whose mind is a client (`mind = "external"`); all others go
on by themselves. An action is an op, a list of ops, or None; an observation is the one that the world gives.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

try:
    from gymnasium.spaces import Dict, Space
    from pettingzoo import AECEnv, ParallelEnv
except ImportError as error:
    raise ImportError(
        "oikos.gym needs PettingZoo and Gymnasium: `pip install pettingzoo gymnasium`"
    ) from error

from oikos.errors import Refused
from oikos.session import Session

Observation = dict[str, Any]
Reward = Callable[[str, Observation, Observation], float]

_WAIT: dict[str, dict[str, Any]] = {"ticks": {"ticks": 1_000}, "for": {"for": "24h"}}
"""The span in which a client has a turn; a world that goes on longer without one has ended for its clients."""


class Ops(Space[Any]):
    """All actions: an op as an object, a list of them, or None. A sample does nothing, so that it harms no world."""

    def contains(self, x: Any) -> bool:
        ops = x if isinstance(x, list) else [] if x is None else [x]
        return all(isinstance(op, Mapping) and isinstance(op.get("op"), str) for op in ops)

    def sample(self, mask: Any = None, probability: Any = None) -> Any:
        return [{"op": "noop"}]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ops)


class Observations(Dict):
    """All observations: objects with the time and the agent itself. Other keys may come."""

    def __init__(self) -> None:
        super().__init__({})

    def contains(self, x: Any) -> bool:
        return isinstance(x, dict) and "now" in x and isinstance(x.get("self"), dict)

    def sample(self, mask: Any = None, probability: Any = None) -> Observation:
        return {"now": "1970-01-01T00:00:00.000Z", "self": {}}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Observations)


def earned(agent: str, before: Observation, after: Observation) -> float:
    """The change of an agent's scrip between two observations: the reward where no other is given."""
    return float(after["self"]["scrip"] - before["self"]["scrip"])


class _Clients:
    """The world and its clients, of both forms."""

    def __init__(
        self,
        world: str | os.PathLike[str],
        *,
        agents: list[str] | None = None,
        reward: Reward = earned,
        max_cycles: int | None = None,
        set: Mapping[str, Any] | None = None,
        binary: str | os.PathLike[str] | None = None,
    ) -> None:
        self._world, self._set, self._binary = world, dict(set or {}), binary
        self._reward = reward
        self.max_cycles = max_cycles
        self.render_mode = None
        self._session: Session | None = None
        self._open: dict[str, Observation] = {}
        self._seen: dict[str, Observation] = {}
        self._spaces: dict[str, tuple[Observations, Ops]] = {}
        self._begin(None, {})
        self._is_fresh = True
        self.possible_agents: list[str] = list(agents) if agents is not None else self._clients()
        if not self.possible_agents:
            self.close()
            raise ValueError(f"no agent of {os.fspath(world)} is a client: give one `mind = \"external\"`")
        self._spaces = {agent: (Observations(), Ops()) for agent in self.possible_agents}
        self.agents: list[str] = []

    def observation_space(self, agent: str) -> Observations:
        """The space of an agent's observations."""
        return self._spaces[agent][0]

    def action_space(self, agent: str) -> Ops:
        """The space of an agent's actions."""
        return self._spaces[agent][1]

    @property
    def session(self) -> Session:
        """The session beneath, to ask it what an observer may know."""
        if self._session is None:
            raise RuntimeError("the environment was closed: `reset` begins anew")
        return self._session

    def render(self) -> None:
        """Shows nothing; `session.query` tells all there is to see."""

    def close(self) -> None:
        """Ends the process of the world."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def _begin(self, seed: int | None, options: Mapping[str, Any]) -> None:
        self.close()
        changed = {**self._set, **(options.get("set") or {})}
        self._session = Session(self._world, seed=seed, set=changed, binary=self._binary)
        try:
            # A world in ticks has no turns but theirs, and says so.
            self._session.run(ticks=0)
            self._wait = _WAIT["ticks"]
        except Refused as refused:
            if refused.code != "invalid_argument":
                raise
            self._wait = _WAIT["for"]

    def _clients(self) -> list[str]:
        def is_client(agent: str) -> bool:
            content = self.session.observe(agent)["self"]["content"]
            mind = content.get("mind") if isinstance(content, dict) else None
            return isinstance(mind, dict) and mind.get("kind") == "external"

        ids = [agent["id"] for agent in self.session.query("agents") if agent["state"] != "stopped"]
        return [agent for agent in ids if is_client(agent)]

    def _restart(self, seed: int | None, options: Mapping[str, Any] | None) -> None:
        options = options or {}
        if not (self._is_fresh and self._session is not None and seed is None and not options):
            self._begin(seed, options)
        self._is_fresh = False
        self.agents = list(self.possible_agents)
        self._seen = {agent: self.session.observe(agent) for agent in self.agents}
        self._open = {}
        self.rewards = {agent: 0.0 for agent in self.agents}
        self.terminations = {agent: False for agent in self.agents}
        self.truncations = {agent: False for agent in self.agents}
        self.infos: dict[str, dict[str, Any]] = {agent: {} for agent in self.agents}

    def _run(self) -> bool:
        """Runs until clients have turns; false when none will have one. A stranger does nothing."""
        while True:
            ran = self.session.run(**self._wait)
            turns = {turn["as"]: turn["observation"] for turn in ran.get("turns", [])}
            self._open = {agent: turns[agent] for agent in turns if agent in self.agents}
            strangers = [agent for agent in turns if agent not in self.agents]
            for agent in strangers:
                self.session.decide(agent, None)
            if self._open or not strangers:
                return bool(self._open)

    def _decide(self, agent: str, action: Any) -> None:
        """Decides an open turn; a decision that is refused as a whole leaves it open."""
        self._check(agent, action)
        ops = action if action is None or isinstance(action, list) else [action]
        try:
            receipt = self.session.decide(agent, ops)
        except Refused as refused:
            # Only an agent that is no more has a turn and can't decide it.
            if self._observed(agent) is not None:
                raise
            receipt = None
            self.infos[agent]["refused"] = str(refused)
        del self._open[agent]
        self.infos[agent] = {**self.infos[agent], "receipt": receipt}

    def _check(self, agent: str, action: Any) -> None:
        if not self.action_space(agent).contains(action):
            raise ValueError(f"an action is an op, a list of ops or None, not {action!r}")

    def _observed(self, agent: str) -> Observation | None:
        """The observation of an agent; None of one that is no more."""
        try:
            return self.session.observe(agent)
        except Refused as refused:
            if refused.code != "not_found":
                raise
            return None

    def _sees(self, agent: str, observation: Observation, has_turn: bool) -> float:
        """Keeps an agent's observation; returns the reward since the one before."""
        reward = float(self._reward(agent, self._seen[agent], observation))
        self._seen[agent] = observation
        self.infos[agent] = {**self.infos[agent], "turn": has_turn, "now": observation["now"]}
        return reward


class parallel_env(_Clients, ParallelEnv):  # noqa: N801: PettingZoo's name for it
    """A world in ticks, in which all clients act at once.

    `world` is the path of a world file. `agents` are the clients, by default all there are. `reward(agent, before,
    after)` is given two observations of an agent; by default it is the change of its scrip, in base units. After
    `max_cycles` steps all are truncated. `set` has other values for keys of the world file, and `binary` is the
    program `oikos`, by default `oikos.find_binary()`. A step goes on to the next tick in which a client has a turn; an agent that has none in it, since
    it sleeps or waits, has `infos[agent]["turn"]` false, and its action is let go.
    """

    metadata = {"name": "oikos", "render_modes": []}

    def __init__(
        self,
        world: str | os.PathLike[str],
        *,
        agents: list[str] | None = None,
        reward: Reward = earned,
        max_cycles: int | None = None,
        set: Mapping[str, Any] | None = None,
        binary: str | os.PathLike[str] | None = None,
    ) -> None:
        super().__init__(world, agents=agents, reward=reward, max_cycles=max_cycles, set=set, binary=binary)
        if self._wait != _WAIT["ticks"]:
            self.close()
            raise ValueError("in this world each agent has its own turns: use `oikos.gym.env`")

    def reset(
        self, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[dict[str, Observation], dict[str, dict[str, Any]]]:
        """Founds the world anew, with another seed if one is given; `options["set"]` are values for this time."""
        self._restart(seed, options)
        self._cycles = 0
        self._look(self._run())
        return {agent: self._seen[agent] for agent in self.agents}, dict(self.infos)

    def step(
        self, actions: Mapping[str, Any]
    ) -> tuple[
        dict[str, Observation],
        dict[str, float],
        dict[str, bool],
        dict[str, bool],
        dict[str, dict[str, Any]],
    ]:
        """Decides all open turns, an agent without an action doing nothing, and goes on to the next.

        Raises `Refused` where an action can't be read; those before it are decided, and a second `step` decides the
        others.
        """
        turns = [agent for agent in self.agents if agent in self._open]
        for agent in turns:
            self._check(agent, actions.get(agent))
        for agent in turns:
            self._decide(agent, actions.get(agent))
        going_on = self._run()
        self._cycles += 1
        stepped = list(self.agents)
        self._look(going_on)
        if not going_on or (self.max_cycles is not None and self._cycles >= self.max_cycles):
            self.truncations = {agent: not self.terminations[agent] for agent in stepped}
        told = (
            {agent: self._seen[agent] for agent in stepped},
            dict(self.rewards),
            dict(self.terminations),
            dict(self.truncations),
            dict(self.infos),
        )
        self.agents = [a for a in stepped if not (self.terminations[a] or self.truncations[a])]
        for kept in (self.rewards, self.terminations, self.truncations, self.infos):
            for agent in stepped:
                if agent not in self.agents:
                    del kept[agent]
        return told

    def _look(self, going_on: bool) -> None:
        for agent in self.agents:
            has_turn = going_on and agent in self._open
            observation = self._open[agent] if has_turn else self._observed(agent)
            self.terminations[agent] = observation is None
            self.rewards[agent] = 0.0 if observation is None else self._sees(agent, observation, has_turn)


class env(_Clients, AECEnv):  # noqa: N801: PettingZoo's name for it
    """A world in which clients act one by one, in the order of their turns.

    The arguments are those of `parallel_env`; `max_cycles` counts the steps of the agent that has taken most. The
    receipt of a step is `infos[agent]["receipt"]`, or None where it comes with the next observation.
    """

    metadata = {"name": "oikos", "render_modes": [], "is_parallelizable": False}

    def reset(self, seed: int | None = None, options: Mapping[str, Any] | None = None) -> None:
        """Founds the world anew, with another seed if one is given; `options["set"]` are values for this time."""
        self._restart(seed, options)
        self._cumulative_rewards = {agent: 0.0 for agent in self.agents}
        self._taken = {agent: 0 for agent in self.agents}
        self.agent_selection = self.agents[0]
        self._skip_agent_selection = None
        self._select()

    def observe(self, agent: str) -> Observation:
        """The observation that an agent had last; of the one that is to act, the one of its turn."""
        return self._seen[agent]

    def step(self, action: Any) -> None:
        """Decides the turn of `agent_selection` and goes on to the next; one that has ended takes None.

        Raises `Refused` where the action can't be read: the same agent's turn stays open.
        """
        agent = self.agent_selection
        if self.terminations[agent] or self.truncations[agent]:
            self._was_dead_step(action)
            return
        self._decide(agent, action)
        self._taken[agent] += 1
        self._cumulative_rewards[agent] = 0.0
        self._clear_rewards()
        self._select()
        self._accumulate_rewards()

    def _select(self) -> None:
        """Selects the next agent that has a turn, or ends."""
        ended = self.max_cycles is not None and max(self._taken.values()) >= self.max_cycles
        if not ended and not self._open:
            ended = not self._run()
            self._bury()
        if ended:
            self._bury()
            for agent in self.agents:
                self.truncations[agent] = not self.terminations[agent]
                observation = self._observed(agent)
                if observation is not None:
                    self.rewards[agent] = self._sees(agent, observation, False)
        else:
            self.agent_selection = next(iter(self._open))
            agent = self.agent_selection
            self.rewards[agent] = self._sees(agent, self._open[agent], True)
        self._deads_step_first()

    def _bury(self) -> None:
        """Ends those who are no more."""
        live = {agent["id"] for agent in self.session.query("agents") if agent["state"] != "stopped"}
        for agent in self.agents:
            self.terminations[agent] = self.terminations[agent] or agent not in live
