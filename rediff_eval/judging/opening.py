"""From a judge's spec to the judge."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace

from rediff.llm_client.cache import ReplyCache
from rediff.llm_client.chat_model import ChatModel
from rediff.llm_client.server import ServerSpec
from rediff_eval.judging.oracle import ORACLE, VERSION, error_rate
from rediff_eval.judging.oracle_server import serving_oracle


@contextmanager
def opened(spec: ServerSpec | None) -> Iterator[ChatModel | None]:
    """The judge; the oracle's server is started on loopback where no other was named.

    Raises ValueError for an oracle that does not exist.
    """
    with ExitStack() as stack:
        if spec is None:
            yield None
            return
        if is_oracle(spec):
            check(spec)
            url = stack.enter_context(serving_oracle())
            spec = replace(spec, base_url=url, address=f"{ORACLE} {VERSION}")
        yield stack.enter_context(closing(ChatModel(spec)))


def check(spec: ServerSpec) -> None:
    """Raises ValueError for a judge without a key or an oracle that does not exist, OSError for a
    cache that cannot be written: before hours are spent on captions."""
    if not is_oracle(spec):
        from rediff.llm_client.client import open_client

        open_client(spec).close()
        ReplyCache(spec.cache).check()
        return
    error_rate(spec.model)
    if spec.batch:
        raise ValueError("the oracle answers at once: it takes no --judge-batch")


def is_oracle(spec: ServerSpec) -> bool:
    """Whether the spec names the embedded oracle, and no server that speaks for it."""
    return spec.base_url is None and spec.model.partition(":")[0] == ORACLE
