"""Ops as methods.

Written by `generate.py` from `oikos schema op`; a test says where it is not of the binary.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from oikos.base import UNSET, Answer, Duration, Instant, Json, OpMethods, Unset


class Ops(OpMethods[Answer]):
    """All ops as methods. A field that is None is left out.

    Amounts are whole numbers in base units: scrip, microseconds, bytes.
    """

    def noop(
        self,
        *,
        max_spend: int | None = None,
        max_resources: Mapping[str, int] | None = None,
        action_id: str | None = None,
    ) -> Answer:
        """Does nothing.

        max_spend: The most scrip that all of it may cost.
        max_resources: The most of resources, by name, in base units.
        action_id: An id by which an action that is sent twice is done once.
        """
        return self._do("noop", {"max_spend": max_spend, "max_resources": max_resources, "action_id":
            action_id})

    def read(
        self,
        artifact: str,
        *,
        code: bool | None = None,
        max_spend: int | None = None,
        max_resources: Mapping[str, int] | None = None,
        action_id: str | None = None,
    ) -> Answer:
        """Shows an artifact's content, and its code and interface if asked.

        artifact: The artifact to read.
        code: Whether to show code and interface too; default false.
        max_spend: The most scrip that all of it may cost.
        max_resources: The most of resources, by name, in base units.
        action_id: An id by which an action that is sent twice is done once.
        """
        return self._do("read", {"artifact": artifact, "code": code, "max_spend": max_spend, "max_resources":
            max_resources, "action_id": action_id})

    def write(
        self,
        artifact: str,
        *,
        content: Json | Unset = UNSET,
        kind: str | None = None,
        code: str | None | Unset = UNSET,
        interface: Sequence[Mapping[str, Json]] | None | Unset = UNSET,
        price: int | None = None,
        access_contract: str | None = None,
        pays: Literal["self", "caller"] | None = None,
        has_standing: bool | None = None,
        has_loop: bool | None = None,
        memory_artifact: str | None | Unset = UNSET,
        depends_on: Sequence[str] | None = None,
        metadata: Mapping[str, Json] | None | Unset = UNSET,
        policy: Mapping[str, Json] | None | Unset = UNSET,
        max_spend: int | None = None,
        max_resources: Mapping[str, int] | None = None,
        action_id: str | None = None,
    ) -> Answer:
        """Creates an artifact, or replaces the named fields of one that exists.

        artifact: The artifact to create or change.
        content: Text or JSON.
        kind: A word for what it is, fixed at creation; default `data`.
        code: Python code, which makes it executable; null removes it.
        interface: MCP-style list of tools; null removes it.
        price: Scrip that an invocation costs; goes to the owner.
        access_contract: The contract that decides all access to this one.
        pays: The bearer of the resources its code uses: `self` or `caller`.
        has_standing: Whether it can own and hold things; fixed at creation.
        has_loop: Whether it acts by itself, which makes it an agent; fixed at creation.
        memory_artifact: The artifact that is its memory; null unlinks it.
        depends_on: Artifacts it builds on.
        metadata: A free-form JSON object; null clears it.
        policy: Lists of those who may read, write and invoke it, in worlds that go by policies; null clears
            it.
        max_spend: The most scrip that all of it may cost.
        max_resources: The most of resources, by name, in base units.
        action_id: An id by which an action that is sent twice is done once.
        """
        return self._do("write", {"artifact": artifact, "kind": kind, "price": price, "access_contract":
            access_contract, "pays": pays, "has_standing": has_standing, "has_loop": has_loop, "depends_on":
            depends_on, "max_spend": max_spend, "max_resources": max_resources, "action_id": action_id},
            {"content": content, "code": code, "interface": interface, "memory_artifact": memory_artifact,
            "metadata": metadata, "policy": policy})

    def edit(
        self,
        artifact: str,
        field: Literal["content", "code"],
        old: str,
        new: str,
        *,
        max_spend: int | None = None,
        max_resources: Mapping[str, int] | None = None,
        action_id: str | None = None,
    ) -> Answer:
        """Replaces the one exact occurrence of a string in an artifact's content or code.

        artifact: The artifact to change.
        field: Which text: `content` or `code`.
        old: The string to replace; it must occur exactly once.
        new: The string to put in its place.
        max_spend: The most scrip that all of it may cost.
        max_resources: The most of resources, by name, in base units.
        action_id: An id by which an action that is sent twice is done once.
        """
        return self._do("edit", {"artifact": artifact, "field": field, "old": old, "new": new, "max_spend":
            max_spend, "max_resources": max_resources, "action_id": action_id})

    def delete(
        self,
        artifact: str,
        *,
        heir: str | None = None,
        max_spend: int | None = None,
        max_resources: Mapping[str, int] | None = None,
        action_id: str | None = None,
    ) -> Answer:
        """Makes an artifact a tombstone; its id is never used again. Its rates lapse; scrip, balances and quotas
        need an heir.

        artifact: The artifact to delete.
        heir: The principal that receives the scrip, balances and quotas that it holds.
        max_spend: The most scrip that all of it may cost.
        max_resources: The most of resources, by name, in base units.
        action_id: An id by which an action that is sent twice is done once.
        """
        return self._do("delete", {"artifact": artifact, "heir": heir, "max_spend": max_spend,
            "max_resources": max_resources, "action_id": action_id})

    def invoke(
        self,
        artifact: str,
        *,
        method: str | None = None,
        args: Sequence[Json] | None = None,
        pay: int | None = None,
        give: Sequence[str | Mapping[str, Json]] | None = None,
        trial: int | None = None,
        expect: Json | Unset = UNSET,
        max_spend: int | None = None,
        max_resources: Mapping[str, int] | None = None,
        action_id: str | None = None,
    ) -> Answer:
        """Calls a method of an artifact's code.

        artifact: The artifact to call.
        method: The function of its code; default `run`.
        args: Positional arguments, any JSON.
        pay: Scrip to send along; goes to the artifact itself.
        give: Artifacts to send along, and resources as {"resource": …, "amount": …}; the artifact becomes
            their owner.
        trial: Units of work in which its code is only tried: it reads, changes nothing and pays nothing. All
            of them are charged, and nothing of it is shown but the result.
        expect: With `trial`: the result that is to come. The answer is then whether it came; an error is
            another result.
        max_spend: The most scrip that all of it may cost.
        max_resources: The most of resources, by name, in base units.
        action_id: An id by which an action that is sent twice is done once.
        """
        return self._do("invoke", {"artifact": artifact, "method": method, "args": args, "pay": pay, "give":
            give, "trial": trial, "max_spend": max_spend, "max_resources": max_resources, "action_id":
            action_id}, {"expect": expect})

    def run(
        self,
        code: str,
        *,
        max_spend: int | None = None,
        max_resources: Mapping[str, int] | None = None,
        action_id: str | None = None,
    ) -> Answer:
        """Runs a Python snippet as the caller: many ops in one atomic action.

        code: The snippet.
        max_spend: The most scrip that all of it may cost.
        max_resources: The most of resources, by name, in base units.
        action_id: An id by which an action that is sent twice is done once.
        """
        return self._do("run", {"code": code, "max_spend": max_spend, "max_resources": max_resources,
            "action_id": action_id})

    def transfer(
        self,
        to: str,
        amount: int,
        *,
        resource: str | None = None,
        part: Literal["balance", "rate", "quota"] | None = None,
        max_spend: int | None = None,
        max_resources: Mapping[str, int] | None = None,
        action_id: str | None = None,
    ) -> Answer:
        """Moves own scrip, or own resource balance, rate or quota, to a principal.

        to: The principal who receives it.
        amount: How much, in base units.
        resource: Which resource; default is scrip.
        part: Which part of the resource; default is the one its kind has.
        max_spend: The most scrip that all of it may cost.
        max_resources: The most of resources, by name, in base units.
        action_id: An id by which an action that is sent twice is done once.
        """
        return self._do("transfer", {"to": to, "amount": amount, "resource": resource, "part": part,
            "max_spend": max_spend, "max_resources": max_resources, "action_id": action_id})

    def mandate(
        self,
        to: str,
        per_call: int,
        *,
        per_window: int | None = None,
        window: Duration | None = None,
        resource: str | None = None,
        until: Instant | None = None,
        max_spend: int | None = None,
        max_resources: Mapping[str, int] | None = None,
        action_id: str | None = None,
    ) -> Answer:
        """Lets an artifact charge the caller, within bounds that roll with time. There is one for each holder
        and resource: given anew, its use counts on. It ends when the holder changes hands.

        to: The holder: a contract, an artifact or a principal.
        per_call: The most of one charge, or of one answer of a contract; 0 withdraws the mandate.
        per_window: The most within any window.
        window: The window, such as `1h`.
        resource: Of which depletable resource; default is scrip.
        until: The instant at which it ends.
        max_spend: The most scrip that all of it may cost.
        max_resources: The most of resources, by name, in base units.
        action_id: An id by which an action that is sent twice is done once.
        """
        return self._do("mandate", {"to": to, "per_call": per_call, "per_window": per_window, "window":
            window, "resource": resource, "until": until, "max_spend": max_spend, "max_resources":
            max_resources, "action_id": action_id})

    def charge(
        self,
        payer: str,
        amount: int,
        *,
        resource: str | None = None,
        reason: str | None = None,
        max_spend: int | None = None,
        max_resources: Mapping[str, int] | None = None,
        action_id: str | None = None,
    ) -> Answer:
        """Takes scrip, or some of a depletable resource, from a principal that gave the caller a mandate.

        payer: The principal that gave the mandate.
        amount: How much, in base units.
        resource: Which resource; default is scrip.
        reason: The reason, which the payer is told.
        max_spend: The most scrip that all of it may cost.
        max_resources: The most of resources, by name, in base units.
        action_id: An id by which an action that is sent twice is done once.
        """
        return self._do("charge", {"payer": payer, "amount": amount, "resource": resource, "reason": reason,
            "max_spend": max_spend, "max_resources": max_resources, "action_id": action_id})

    def transfer_ownership(
        self,
        artifact: str,
        to: str,
        *,
        max_spend: int | None = None,
        max_resources: Mapping[str, int] | None = None,
        action_id: str | None = None,
    ) -> Answer:
        """Changes the owner of an artifact.

        artifact: The artifact to hand over.
        to: The new owner, a principal.
        max_spend: The most scrip that all of it may cost.
        max_resources: The most of resources, by name, in base units.
        action_id: An id by which an action that is sent twice is done once.
        """
        return self._do("transfer_ownership", {"artifact": artifact, "to": to, "max_spend": max_spend,
            "max_resources": max_resources, "action_id": action_id})

    def set_contract(
        self,
        artifact: str,
        contract: str,
        *,
        max_spend: int | None = None,
        max_resources: Mapping[str, int] | None = None,
        action_id: str | None = None,
    ) -> Answer:
        """Changes the access contract of an artifact.

        artifact: The artifact to put under another contract.
        contract: The artifact that decides from now on.
        max_spend: The most scrip that all of it may cost.
        max_resources: The most of resources, by name, in base units.
        action_id: An id by which an action that is sent twice is done once.
        """
        return self._do("set_contract", {"artifact": artifact, "contract": contract, "max_spend": max_spend,
            "max_resources": max_resources, "action_id": action_id})

    def store(
        self,
        key: str,
        value: Json,
        *,
        max_spend: int | None = None,
        max_resources: Mapping[str, int] | None = None,
        action_id: str | None = None,
    ) -> Answer:
        """Sets or removes a key of the caller's own storage.

        key: The key.
        value: Any JSON; null removes the key.
        max_spend: The most scrip that all of it may cost.
        max_resources: The most of resources, by name, in base units.
        action_id: An id by which an action that is sent twice is done once.
        """
        return self._do("store", {"key": key, "max_spend": max_spend, "max_resources": max_resources,
            "action_id": action_id}, {"value": value})

    def sleep(
        self,
        *,
        for_: Duration | None = None,
        until: Instant | None = None,
        event: Literal["write", "spawn", "edit", "delete", "invoke", "remember", "forget", "run", "transfer",
            "mandate", "charge", "mint", "transfer_ownership", "set_contract", "store", "missing_contract",
            "contract_error", "mind_error", "sleep", "wake", "exhausted", "block", "unblock", "freeze",
            "rescue", "pause", "clock", "runtime", "health", "*"] | None = None,
        filter: Mapping[str, Json] | None = None,
        resource: str | None = None,
        level: int | Mapping[str, Json] | None = None,
        any: Sequence[Mapping[str, Json]] | None = None,
        max_spend: int | None = None,
        max_resources: Mapping[str, int] | None = None,
        action_id: str | None = None,
    ) -> Answer:
        """Ends an agent's step until the first of what is named; only an agent can sleep. In the list that a
        step returns it holds though another op of the list is refused.

        for_: So long, such as `60s`; in code by position, `sleep("60s")`, for `for` is a word of Python.
        until: Until an instant.
        event: Until an event of this type comes; `*` is any type.
        filter: Only events with these fields: actor, artifact, to, resource, detail, and an amount of at
            least so much.
        resource: Until what it has of this resource, or of `scrip`, is at the `level`.
        level: At least so much, or {"at_least": 5}, or {"at_most": 5}.
        any: More to wait for: a list of objects with the fields above.
        max_spend: The most scrip that all of it may cost.
        max_resources: The most of resources, by name, in base units.
        action_id: An id by which an action that is sent twice is done once.
        """
        return self._do("sleep", {"for": for_, "until": until, "event": event, "filter": filter, "resource":
            resource, "level": level, "any": any, "max_spend": max_spend, "max_resources": max_resources,
            "action_id": action_id})

    def remember(
        self,
        text: str,
        *,
        artifact: str | None = None,
        importance: int | None = None,
        tags: Sequence[str] | None = None,
        supersedes: int | None = None,
        max_spend: int | None = None,
        max_resources: Mapping[str, int] | None = None,
        action_id: str | None = None,
    ) -> Answer:
        """Adds an entry to a memory.

        text: The text.
        artifact: The memory, an artifact of the kind `memory`; default is the caller's own, its
            `memory_artifact`.
        importance: How important it is, 0 to 10; default 5.
        tags: Words by which it is found; `pinned` entries are always before the mind of the agent whose
            memory it is.
        supersedes: The number of the entry in whose place it stands: that one is not recalled any more.
        max_spend: The most scrip that all of it may cost.
        max_resources: The most of resources, by name, in base units.
        action_id: An id by which an action that is sent twice is done once.
        """
        return self._do("remember", {"text": text, "artifact": artifact, "importance": importance, "tags":
            tags, "supersedes": supersedes, "max_spend": max_spend, "max_resources": max_resources,
            "action_id": action_id})

    def forget(
        self,
        *,
        entry: int | None = None,
        artifact: str | None = None,
        max_spend: int | None = None,
        max_resources: Mapping[str, int] | None = None,
        action_id: str | None = None,
    ) -> Answer:
        """Takes an entry out of a memory, or all of them.

        entry: The number of the entry; left out, all are forgotten.
        artifact: The memory, an artifact of the kind `memory`; default is the caller's own, its
            `memory_artifact`.
        max_spend: The most scrip that all of it may cost.
        max_resources: The most of resources, by name, in base units.
        action_id: An id by which an action that is sent twice is done once.
        """
        return self._do("forget", {"entry": entry, "artifact": artifact, "max_spend": max_spend,
            "max_resources": max_resources, "action_id": action_id})

    def mint(
        self,
        to: str,
        amount: int,
        *,
        max_spend: int | None = None,
        max_resources: Mapping[str, int] | None = None,
        action_id: str | None = None,
    ) -> Answer:
        """Creates scrip; only the artifacts may that the world file names as mint authorities.

        to: The principal who receives it.
        amount: How much scrip.
        max_spend: The most scrip that all of it may cost.
        max_resources: The most of resources, by name, in base units.
        action_id: An id by which an action that is sent twice is done once.
        """
        return self._do("mint", {"to": to, "amount": amount, "max_spend": max_spend, "max_resources":
            max_resources, "action_id": action_id})

    def query(
        self,
        what: Literal["balances", "balance", "resources", "capacity", "artifact", "artifacts", "search",
            "agents", "events", "supply", "permission", "price", "quote", "mandates", "reputation",
            "customers", "recall", "history"],
        *,
        of: str | None = None,
        artifact: str | None = None,
        resource: str | None = None,
        amount: int | None = None,
        text: str | None = None,
        since: int | Instant | None = None,
        type: str | None = None,
        limit: int | None = None,
        sample: int | None = None,
        kind: str | None = None,
        as_: str | None = None,
        action: Literal["read", "write", "invoke", "execute", "delete", "transfer"] | None = None,
        target: str | None = None,
        method: str | None = None,
        args: Sequence[Json] | None = None,
        pay: int | None = None,
        tags: Sequence[str] | None = None,
        max_spend: int | None = None,
        max_resources: Mapping[str, int] | None = None,
        action_id: str | None = None,
    ) -> Answer:
        """Reads kernel facts; changes nothing.

        what: The subject to look up.
        of: The principal or owner it is about; default is the caller.
        artifact: The artifact it is about.
        resource: The resource it is about.
        amount: An amount in base units.
        text: Words to search for.
        since: Only events after this sequence number; only entries of a memory after this one, or since an
            instant.
        type: Only this kind of artifact or type of event.
        limit: At most so many rows.
        sample: So many others, drawn by the seed.
        kind: Only agents of this kind.
        as_: The principal who would act.
        action: The action in question: read, write, invoke, delete or transfer.
        target: The artifact it would be done to.
        method: The method that would be called; default `run`.
        args: The arguments that it would be called with.
        pay: The scrip that would be sent along.
        tags: Only entries with all of these tags; superseded ones have the tag `superseded`.
        max_spend: The most scrip that all of it may cost.
        max_resources: The most of resources, by name, in base units.
        action_id: An id by which an action that is sent twice is done once.
        """
        return self._do("query", {"what": what, "of": of, "artifact": artifact, "resource": resource,
            "amount": amount, "text": text, "since": since, "type": type, "limit": limit, "sample": sample,
            "kind": kind, "as": as_, "action": action, "target": target, "method": method, "args": args,
            "pay": pay, "tags": tags, "max_spend": max_spend, "max_resources": max_resources, "action_id":
            action_id})
