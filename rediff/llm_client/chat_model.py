"""A model on a server: holds many conversations at once and returns their outcomes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from rediff.llm_client.cache import ReplyCache, body_of, key_of
from rediff.llm_client.conversation import Conversation, ConversationError, Failed, Reply, Request
from rediff.llm_client.process_client import RequestClient
from rediff.llm_client.server import ServerSpec
from rediff.llm_client.usage import Usage

Outcome = TypeVar("Outcome")
Advance = Callable[[int], None]
LookUp = Callable[[Request], tuple[str, Reply | None]]
ENOUGH = 3
"""Calls that must fail for good, and none be answered, before a server is given up."""
AT_ONCE = 4
"""Open conversations for each call at once, so that no call waits for the next conversation."""


class ServerUnusableError(RuntimeError):
    """No request to this server will be answered: nobody is there, or it takes no such key."""


class ChatModel:
    """Replies come from the cache where they were paid for, else from the request process or a
    batch.

    Close it at the end of its work.
    """

    def __init__(self, spec: ServerSpec) -> None:
        self.spec = spec
        self.cache = ReplyCache(spec.cache)
        self.usage = Usage()
        self.post: RequestClient | None = None
        self.refused, self.reached = 0, False

    @property
    def name(self) -> str:
        """The model, as results call it."""
        return self.spec.model

    def converse(
        self, conversations: Sequence[Conversation[Outcome]], advance: Advance = lambda units: None
    ) -> list[Outcome | Failed]:
        """The outcome of each conversation, in order.

        One that raises ConversationError has failed for the reason that it says.

        Args:
            conversations: generators of requests.
            advance: called for each that has ended.

        Raises:
            ServerUnusableError: if the first calls all say that no other would be answered.
        """
        table = _Table(conversations, advance, self._look_up)
        if self.spec.batch:
            while table.step(range(len(conversations))):
                self._answer_all(table)
        else:
            self._answer_in_turn(table)
        return table.outcomes

    def close(self) -> None:
        if self.post is not None:
            self.post.close()

    def _answer_in_turn(self, table: _Table) -> None:
        waiting = iter(range(len(table.conversations)))
        sent: dict[str, list[int]] = {}
        limit = AT_ONCE * self.spec.concurrency
        exhausted = False
        while True:
            while not exhausted and len(sent) < limit:
                fresh = next(waiting, None)
                exhausted = fresh is None
                if fresh is not None:
                    self._send(table, table.step([fresh]), sent)
            if not sent:
                return
            assert self.post is not None
            key, reply = self.post.receive()
            self._give_up_if_hopeless(reply)
            numbers = sent.pop(key)
            self.usage.pay(reply)
            for number in numbers:
                self.usage.use(reply)
                table.tell(number, reply)
            self._send(table, table.step(numbers), sent)

    def _give_up_if_hopeless(self, reply: Reply) -> None:
        self.refused += reply.fatal
        self.reached |= not reply.fatal
        if self.refused >= ENOUGH and not self.reached:
            raise ServerUnusableError(f"{self.name} cannot be asked: {reply.error}")

    def _send(self, table: _Table, numbers: Iterable[int], sent: dict[str, list[int]]) -> None:
        for number in numbers:
            key, request = table.asked[number]
            if key not in sent:
                if self.post is None:
                    self.post = RequestClient(self.spec)
                self.post.send(key, body_of(self.spec, request))
            sent.setdefault(key, []).append(number)

    def _answer_all(self, table: _Table) -> None:
        from rediff.llm_client.batch import answer_batch

        bodies = {key: body_of(self.spec, request) for key, request in table.asked.values()}
        replies = answer_batch(self.spec, self.cache, bodies)
        for reply in replies.values():
            self.usage.pay(reply)
        for number, (key, _) in list(table.asked.items()):
            self.usage.use(replies[key])
            table.tell(number, replies[key])

    def _look_up(self, request: Request) -> tuple[str, Reply | None]:
        key = key_of(self.spec, request)
        reply = self.cache.get(key)
        if reply is not None:
            self.reached = True  # the server has answered before
            self.usage.kept += 1
            self.usage.use(reply)
        return key, reply


class _Table:
    """Conversations by number: the open request of each, its replies, and its end.

    `look_up`: a request's key, and its reply where it is kept. A key hashes the whole request with
    its pictures, so it is made once and kept beside the request.
    """

    def __init__(
        self, conversations: Sequence[Conversation[Any]], advance: Advance, look_up: LookUp
    ) -> None:
        self.conversations = conversations
        self.advance = advance
        self.look_up = look_up
        self.outcomes: list[Any] = [Failed("not asked")] * len(conversations)
        self.asked: dict[int, tuple[str, Request]] = {}
        self.told: dict[int, Reply] = {}
        self.ended: set[int] = set()

    def tell(self, number: int, reply: Reply) -> None:
        del self.asked[number]
        self.told[number] = reply

    def step(self, numbers: Iterable[int]) -> list[int]:
        """Goes on with conversations as far as replies are there; those that wait for one."""
        return [n for n in numbers if n not in self.ended and self._go_on(n)]

    def _go_on(self, number: int) -> bool:
        conversation = self.conversations[number]
        try:
            while number not in self.asked:
                reply = self.told.pop(number, None)
                request = next(conversation) if reply is None else conversation.send(reply)
                key, known = self.look_up(request)
                if known is None:
                    self.asked[number] = key, request
                else:
                    self.told[number] = known
        except StopIteration as end:
            self.outcomes[number] = end.value
        except ConversationError as error:
            self.outcomes[number] = Failed(str(error))
        else:
            return True
        self.ended.add(number)
        self.advance(1)
        return False
