"""From a chosen model to its captioner."""

from __future__ import annotations

from pathlib import Path

from rediff.llm_client.server import KEY, ServerSpec
from rediff.captioners.base import Captioner
from rediff.io.hub import fetch
from rediff.captioners.loading import Loading, load_captioner
from rediff_eval.captioning.models import ModelChoice


def locate(model: ModelChoice, *, code: bool = False) -> Path | None:
    """The model's folder or file on this machine, fetched if need be; None for a server's model.

    Raises FileNotFoundError where it cannot be had.
    """
    if model.kind == "openai":
        return None
    if model.kind == "hub":
        return fetch(model.where, code=code)
    return Path(model.where)


def server_of(
    model: ModelChoice, loading: Loading, base_url: str | None, key_env: str
) -> ServerSpec:
    """How the server of an `openai:` model is asked."""
    return ServerSpec(
        model=model.where, base_url=base_url, key_env=key_env, max_tokens=loading.length
    )


def open_captioner(
    model: ModelChoice, loading: Loading, base_url: str | None = None, key_env: str = KEY
) -> Captioner:
    """The captioner of a model. Close it when it has done its work.

    Raises OSError or ValueError with one sentence for users, RuntimeError if a worker won't start.
    """
    place = locate(model, code=loading.trust_remote_code)
    if place is None:
        from rediff.captioners.openai import OpenAICaptioner

        return OpenAICaptioner(server_of(model, loading, base_url, key_env))
    if model.kind == "captions":
        from rediff.captioners.precomputed import PrecomputedCaptioner

        return PrecomputedCaptioner.load(place)
    if model.kind == "worker":
        from rediff.captioners.worker import WorkerCaptioner
        from rediff.captioners.worker_process import WorkerSpec

        return WorkerCaptioner(WorkerSpec.load(place))
    return load_captioner(place, loading)
