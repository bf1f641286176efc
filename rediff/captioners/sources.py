"""Model names: which model a name means, how it is opened, and its identity in a cache key.

A captioner's file registers a scheme by `register_captioner`. A model is then called
`SCHEME:WHERE`, or by a name that means a folder or a hub repository.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rediff.captioners.base import Captioner
from rediff.captioners.known_models import known_models, shipped_folder, shipped_models
from rediff.io.files import files_hash
from rediff.io.hub import fetch, is_hub_id
from rediff.io.suggest import unknown
from rediff.models.config import CONFIG_FILE, Dtype
from rediff.plugins import Registry, source_hash

if TYPE_CHECKING:
    from rediff.llm_client.server import ServerSpec

SCENES_ONLY = (
    "was trained on the embedded scenes alone: what it says of other pictures means nothing"
)
FOLDER, HUB = "folder", "hub"
"""Schemes that are not written: such a model is named by its folder or repository only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loading:
    """How a model is loaded.

    `device`: None for the first GPU, else the CPU. `dtype`: None for the model's own on a GPU and
    float32 on a CPU. `device_map`: an accelerate map over several devices. `max_tokens`: tokens of
    a caption at most, the canvas of a diffusion model; None for the model's own.
    `trust_remote_code`: run code that comes with the model. `seed`: of models that draw.
    `compiled`: compile the text model of a checkpoint of ours. `base_url`, `key_env`: address of a
    server, and environment variable of its key.
    """

    device: str | None = None
    dtype: Dtype | None = None
    device_map: str | None = None
    max_tokens: int | None = None
    trust_remote_code: bool = False
    seed: int = 0
    compiled: bool = False
    base_url: str | None = None
    key_env: str = "OPENAI_API_KEY"

    @property
    def place(self) -> str:
        """The device, chosen where none is named."""
        return self.device or pick_device()


def pick_device() -> str:
    """The first GPU if there is one, else the CPU."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def check_device(name: str | None) -> None:
    """Raises ValueError if torch knows no such device, or this machine has no such GPU. None: the
    choice is ours."""
    if name is None:
        return
    import torch

    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ValueError(f"no device is called {name!r}: cpu, cuda and cuda:1 are") from error
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device.type == "cuda" and (device.index or 0) >= gpus:
        raise ValueError(f"no device {name!r}: torch sees {gpus or 'no'} GPUs on this machine")


Open = Callable[[str, Loading], Captioner]
Identify = Callable[[str, Loading], Mapping[str, str]]
Server = Callable[[str, Loading], "ServerSpec"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """How the models of one scheme are opened, identified and asked; see `register_captioner`."""

    open: Open
    identify: Identify | None = None
    server: Server | None = None


SCHEMES = Registry[Scheme]("kind of model", ("rediff.captioners",))


def register_captioner(
    scheme: str, *, identify: Identify | None = None, server: Server | None = None
) -> Callable[[Open], Open]:
    """Registers a kind of captioner: decorates the function that opens one.

    Args:
        scheme: models of this kind are called `scheme:WHERE`, or `scheme` alone.
        identify: the properties that tell a model from all others, for its captions' cache key:
            hashes of its files, for example. By default WHERE, with a hash of the file or folder of
            that name. The source of a plug-in always belongs to the key.
        server: how the server is reached, for captioners that ask one.

    The decorated function takes WHERE and a `Loading`, and returns a `Captioner`.
    """

    def decorate(open_: Open) -> Open:
        value = Scheme(open=open_, identify=identify, server=server)
        SCHEMES.add(scheme, value, module=open_.__module__)
        return open_

    return decorate


@dataclass(frozen=True)
class ModelSource:
    """A model that a name means, not yet opened.

    `name`: its name in results. `where`: a folder, a file, a hub id, or the name that a server
    knows it by. `sampler`: the sampler asked for by `NAME:SAMPLER`, None for the model's own.
    """

    name: str
    scheme: str
    where: str
    sampler: str | None = None
    loading: Loading = field(default_factory=Loading)

    @property
    def asked(self) -> str:
        """The name with the sampler that was asked for."""
        return f"{self.name}:{self.sampler}" if self.sampler else self.name

    def open(self) -> Captioner:
        """The captioner; close it at the end.

        Raises:
            OSError, ValueError: with one sentence for users.
            RuntimeError: if a worker does not start.
        """
        return scheme_of(self.scheme).open(self.where, self.loading)

    @functools.cached_property
    def identity(self) -> Mapping[str, str]:
        """The properties that tell this model from all others: hashes of its files, or a server's
        name for it.

        Computed once, since it reads all weights.
        """
        scheme = scheme_of(self.scheme)
        identify = scheme.identify or identify_by_files
        return {**identify(self.where, self.loading), **source_hash([scheme.open])}

    @property
    def server(self) -> ServerSpec | None:
        """How the model's server is reached; None for a model without one."""
        server = scheme_of(self.scheme).server
        return None if server is None else server(self.where, self.loading)

    def path(self) -> Path | None:
        """The model's file or folder on this machine, fetched if need be; None if it has none."""
        if self.scheme == HUB:
            return fetch(self.where, code=self.loading.trust_remote_code)
        path = Path(self.where)
        return path if self.server is None and path.exists() else None


def scheme_of(name: str) -> Scheme:
    """The scheme of that name, of a captioner's file here or of a plug-in."""
    return SCHEMES[name]


def identify_by_files(where: str, loading: Loading) -> Mapping[str, str]:
    """WHERE, and a hash of each file in the folder (or of the file) of that name.

    Args:
        where: a file, a folder, or any other text.
        loading: does not matter here.
    """
    path = Path(where)
    return {"where": where, **(file_hashes("file", [path]) if path.exists() else {})}


def file_hashes(scheme: str, roots: Sequence[Path]) -> dict[str, str]:
    """SHA-256 of each file, named by its path from the first root.

    Args:
        scheme: comes before each name.
        roots: files, or folders of which all files count.
    """
    base = roots[0] if roots[0].is_dir() else roots[0].parent
    found = [
        path
        for root in roots
        for path in ([root] if root.is_file() else sorted(root.rglob("*")))
        if path.is_file()
    ]
    return {f"{scheme}:{os.path.relpath(path, base)}": files_hash([path]) for path in found}


def find_model(text: str, loading: Loading | None = None) -> ModelSource:
    """The model that a text names.

    Args:
        text: a shipped or known name, a folder, a hub id (OWNER/NAME@REVISION), each with
            `:SAMPLER` after it or without; or `SCHEME:WHERE`, as `openai:MODEL`, `captions:FILE`,
            `worker:FILE` or a plug-in's.
        loading: how it will be loaded.

    Raises:
        ValueError: for any other text, suggesting the nearest name.
    """
    loading = loading or Loading()
    scheme, colon, where = text.partition(":")
    if not scheme or (colon and not where):
        raise ValueError(f"{text!r} is not a whole name of a model")
    if scheme in SCHEMES and scheme not in (FOLDER, HUB):
        return ModelSource(_short_name(scheme, where), scheme, where, None, loading)
    name, _, sampler = text.partition(":")
    if name in shipped_models():
        folder = str(shipped_folder() / name)
        return ModelSource(name, FOLDER, folder, sampler or None, loading)
    bare, at, revision = name.partition("@")
    for model in known_models():
        if bare.lower() in (model.name.lower(), model.id.lower()):
            if why := model.why_not():
                raise ValueError(f"{model.name} {why}")
            where = f"{model.id}{at}{revision}"
            return ModelSource(model.name, HUB, where, sampler or model.sampler, loading)
    path = Path(name)
    if path.is_dir():
        full = path.resolve()
        stage = full.parent.name if full.name == "model" else full.name
        return ModelSource(stage, FOLDER, name, sampler or None, loading)
    if name.startswith((".", "/", "~")):
        raise ValueError(f"no folder {name}")
    if is_hub_id(name):
        short = name.partition("@")[0].rpartition("/")[2]
        return ModelSource(short, HUB, name, sampler or None, loading)
    registered = [scheme for scheme in SCHEMES if scheme not in (FOLDER, HUB)]
    known = [*shipped_models(), *(model.name for model in known_models()), *registered]
    raise unknown("model", name, known)


def _short_name(scheme: str, where: str) -> str:
    """The name of a scheme's model in results: its file without the suffix, or WHERE."""
    if not where:
        return scheme
    return Path(where).stem if Path(where).is_file() else where


def knows_scenes_only(model: ModelSource) -> bool:
    """Whether our pipeline trained a model on the embedded scenes.

    Its `captioner.json` fixes the tokens of a picture, which no other checkpoint does.
    """
    path = Path(model.where) / CONFIG_FILE
    if model.scheme != FOLDER or not path.is_file():
        return False
    config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return config.get("image_tokens") is not None


def distinct(models: Sequence[ModelSource]) -> tuple[ModelSource, ...]:
    """The models without repetitions; models of the same name are named by their location."""
    unique = list(dict.fromkeys(models))
    places: dict[str, set[tuple[str, str]]] = {}
    for model in unique:
        places.setdefault(model.name, set()).add((model.scheme, model.where))
    return tuple(replace(m, name=m.where) if len(places[m.name]) > 1 else m for m in unique)


def weights_digest(identity: Mapping[str, str]) -> str | None:
    """One hash of all weight files of an identity; None without weight files."""
    weights = [digest for name, digest in sorted(identity.items()) if name.endswith(".safetensors")]
    if not weights:
        return None
    return (
        weights[0] if len(weights) == 1 else hashlib.sha256("".join(weights).encode()).hexdigest()
    )
