"""ReDiff: a masked-diffusion captioner that revises its own visible tokens while it decodes.

>>> import rediff
>>> model = rediff.load("rediff")
>>> caption = model.caption(rediff.scene(3).image, steps=10)
>>> caption.text.startswith("three shapes share a white picture.")
True

A name listed here is imported when it is first used, so that `import rediff` takes no time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rediff.io.lazy import lazy_names

if TYPE_CHECKING:
    from rediff.captioners.base import (
        Capabilities,
        Caption,
        Captioner,
        CaptionRequest,
        Decoding,
        Failure,
    )
    from rediff.captioners.sources import register_captioner
    from rediff.decoding.plot import plot_trace
    from rediff.decoding.registry import register_sampler
    from rediff.loaded import LoadedModel, load
    from rediff.scenes.example import ExampleScene, scene

__all__ = [
    "Capabilities",
    "Caption",
    "CaptionRequest",
    "Captioner",
    "Decoding",
    "ExampleScene",
    "Failure",
    "LoadedModel",
    "load",
    "plot_trace",
    "register_captioner",
    "register_sampler",
    "scene",
]

_MODULES = {
    "Capabilities": "captioners.base",
    "Caption": "captioners.base",
    "CaptionRequest": "captioners.base",
    "Captioner": "captioners.base",
    "Decoding": "captioners.base",
    "ExampleScene": "scenes.example",
    "Failure": "captioners.base",
    "LoadedModel": "loaded",
    "load": "loaded",
    "plot_trace": "decoding.plot",
    "register_captioner": "captioners.sources",
    "register_sampler": "decoding.registry",
    "scene": "scenes.example",
}

__getattr__, __dir__ = lazy_names(__name__, _MODULES)
