"""Queries as methods.

Written by `generate.py` from `oikos schema query`; a test says where it is not of the binary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from oikos.base import Instant, Json, QueryMethods


class Queries(QueryMethods):
    """All queries as methods, asked as an observer who may see all. A field that is None is left out."""

    def balances(
        self,
        *,
        limit: int | None = None,
    ) -> dict[str, Any]:
        """The scrip of every principal whose balance may be seen, as {id: scrip}.

        limit: At most so many rows.
        """
        answer: dict[str, Any] = self._ask("balances", {"limit": limit})
        return answer

    def balance(
        self,
        of: str | None = None,
    ) -> int:
        """The scrip of one principal.

        of: The principal or owner it is about; default is the caller.
        """
        answer: int = self._ask("balance", {"of": of})
        return answer

    def resources(
        self,
        of: str | None = None,
    ) -> dict[str, Any]:
        """Every resource of one principal, as {name: {`kind`, `rate` or `balance` or `quota`, `capacity`,
        `used`, …}}.

        of: The principal or owner it is about; default is the caller.
        """
        answer: dict[str, Any] = self._ask("resources", {"of": of})
        return answer

    def capacity(
        self,
        resource: str,
        *,
        of: str | None = None,
        amount: int | None = None,
    ) -> dict[str, Any]:
        """Whether a principal could use an amount (default 1) now: {`has`, `capacity`, `time_until`,
        `time_until_ms`}; null is never.

        resource: The resource it is about.
        of: The principal or owner it is about; default is the caller.
        amount: An amount in base units.
        """
        answer: dict[str, Any] = self._ask("capacity", {"of": of, "resource": resource, "amount": amount})
        return answer

    def artifact(
        self,
        artifact: str,
    ) -> dict[str, Any]:
        """The metadata of one artifact, without content and code.

        artifact: The artifact it is about.
        """
        answer: dict[str, Any] = self._ask("artifact", {"artifact": artifact})
        return answer

    def artifacts(
        self,
        of: str | None = None,
        *,
        type: str | None = None,
        text: str | None = None,
        limit: int | None = None,
    ) -> list[dict[str, Any]]:
        """The metadata of every artifact, or of those of one owner, one kind, or with all words of a text.

        of: The principal or owner it is about; default is the caller.
        type: Only this kind of artifact or type of event.
        text: Words to search for.
        limit: At most so many rows.
        """
        answer: list[dict[str, Any]] = self._ask("artifacts", {"of": of, "type": type, "text": text, "limit":
            limit})
        return answer

    def search(
        self,
        text: str,
        *,
        of: str | None = None,
        type: str | None = None,
        limit: int | None = None,
    ) -> list[dict[str, Any]]:
        """The metadata of the artifacts with all words of a text in id, kind, metadata, interface or readable
        content.

        text: Words to search for.
        of: The principal or owner it is about; default is the caller.
        type: Only this kind of artifact or type of event.
        limit: At most so many rows.
        """
        answer: list[dict[str, Any]] = self._ask("search", {"text": text, "of": of, "type": type, "limit":
            limit})
        return answer

    def agents(
        self,
        *,
        limit: int | None = None,
        sample: int | None = None,
        kind: str | None = None,
    ) -> list[dict[str, Any]]:
        """The agents, or those of one `kind`; with `sample` so many others drawn by the seed, coordinators only
        where `kind` names them: [{`id`, `owner`, `kind`, `state`, `steps`}].

        limit: At most so many rows.
        sample: So many others, drawn by the seed.
        kind: Only agents of this kind.
        """
        answer: list[dict[str, Any]] = self._ask("agents", {"limit": limit, "sample": sample, "kind": kind})
        return answer

    def events(
        self,
        of: str | None = None,
        *,
        since: int | Instant | None = None,
        type: str | None = None,
        limit: int | None = None,
    ) -> list[dict[str, Any]]:
        """The events after a record, oldest first, or without `since` the latest; those of one record together.

        of: The principal or owner it is about; default is the caller.
        since: Only events after this sequence number; only entries of a memory after this one, or since an
            instant.
        type: Only this kind of artifact or type of event.
        limit: At most so many rows.
        """
        answer: list[dict[str, Any]] = self._ask("events", {"of": of, "since": since, "type": type, "limit":
            limit})
        return answer

    def supply(
        self,
        *,
        resource: str | None = None,
    ) -> int:
        """All the scrip there is, or all of a resource that principals hold.

        resource: The resource it is about.
        """
        answer: int = self._ask("supply", {"resource": resource})
        return answer

    def permission(
        self,
        action: Literal["read", "write", "invoke", "execute", "delete", "transfer"],
        *,
        as_: str | None = None,
        target: str | None = None,
        artifact: str | None = None,
    ) -> dict[str, Any]:
        """The decision of a contract, without acting: {`allowed`, `reason`, `cost`, `contract`}; `artifact` is
        another name of `target`.

        action: The action in question: read, write, invoke, delete or transfer.
        as_: The principal who would act.
        target: The artifact it would be done to.
        artifact: The artifact it is about.
        """
        answer: dict[str, Any] = self._ask("permission", {"as": as_, "action": action, "target": target,
            "artifact": artifact})
        return answer

    def price(
        self,
        artifact: str,
    ) -> int:
        """The posted price of an invocation.

        artifact: The artifact it is about.
        """
        answer: int = self._ask("price", {"artifact": artifact})
        return answer

    def quote(
        self,
        artifact: str,
        *,
        method: str | None = None,
        args: Sequence[Json] | None = None,
        pay: int | None = None,
        as_: str | None = None,
    ) -> dict[str, Any]:
        """The cost of an invocation by `as` without acting: whether it would be `allowed`, by which `contract`;
        the `payments` before its code runs, and the `max_spend` that they need; the `costs` of the op; whose
        `cpu` its code would use; the `error` that it would end with.

        artifact: The artifact it is about.
        method: The method that would be called; default `run`.
        args: The arguments that it would be called with.
        pay: The scrip that would be sent along.
        as_: The principal who would act.
        """
        answer: dict[str, Any] = self._ask("quote", {"artifact": artifact, "method": method, "args": args,
            "pay": pay, "as": as_})
        return answer

    def mandates(
        self,
        of: str | None = None,
    ) -> dict[str, Any]:
        """The mandates that one artifact has `given` and has `received`: of each {`from`, `to`, `resource`,
        `per_call`, `per_window`, `window`, `until`, `used`, `left`}.

        of: The principal or owner it is about; default is the caller.
        """
        answer: dict[str, Any] = self._ask("mandates", {"of": of})
        return answer

    def reputation(
        self,
        of: str | None = None,
        *,
        artifact: str | None = None,
    ) -> dict[str, Any]:
        """The counts of the kernel: of an `artifact` its `invocations`, `failures`, distinct `customers`,
        `revenue`, `first_used`, `last_used`; or of a principal what it `earned` and `spent` by prices, the
        `invocations` it bore, the `sales` it made at a price, its distinct `counterparties`.

        artifact: The artifact it is about.
        of: The principal or owner it is about; default is the caller.
        """
        answer: dict[str, Any] = self._ask("reputation", {"artifact": artifact, "of": of})
        return answer

    def customers(
        self,
        artifact: str,
        *,
        amount: int | None = None,
        limit: int | None = None,
    ) -> list[dict[str, Any]]:
        """The principals beside the owner who used an artifact, or those who paid a price of at least `amount`
        at once, oldest first: [{`id`, `highest_price`}].

        artifact: The artifact it is about.
        amount: An amount in base units.
        limit: At most so many rows.
        """
        answer: list[dict[str, Any]] = self._ask("customers", {"artifact": artifact, "amount": amount,
            "limit": limit})
        return answer

    def recall(
        self,
        *,
        artifact: str | None = None,
        text: str | None = None,
        limit: int | None = None,
        since: int | Instant | None = None,
        tags: Sequence[str] | None = None,
    ) -> list[dict[str, Any]]:
        """The best entries of a memory, by default the caller's own: [{`entry`, `time`, `text`, `importance`,
        `tags`, `score`, `why`}], at most `limit` (default 10), best first. Its contract is asked for `read`.
        A `text` ranks by its words and leaves nothing out; `since` is an entry's number or an instant;
        superseded entries come only with the tag `superseded`; with the tag `pinned` and no `text` all come
        in order.

        artifact: The artifact it is about.
        text: Words to search for.
        limit: At most so many rows.
        since: Only events after this sequence number; only entries of a memory after this one, or since an
            instant.
        tags: Only entries with all of these tags; superseded ones have the tag `superseded`.
        """
        answer: list[dict[str, Any]] = self._ask("recall", {"artifact": artifact, "text": text, "limit":
            limit, "since": since, "tags": tags})
        return answer

    def history(
        self,
        of: str | None = None,
        *,
        limit: int | None = None,
    ) -> list[dict[str, Any]]:
        """The last turns of an agent in which it thought or did something, oldest first, for itself and its
        owner: [{`turn`, `time`, `think`, `action`, `ok`, `error`}].

        of: The principal or owner it is about; default is the caller.
        limit: At most so many rows.
        """
        answer: list[dict[str, Any]] = self._ask("history", {"of": of, "limit": limit})
        return answer
