"""LaViDa as a worker, in its authors' environment (their package `llava`, its pinned versions).

    PYTHONPATH=/path/to/LaViDa python lavida.py --checkpoint lavida-ckpts/lavida-llada-hd

Defaults: 128 tokens in one block, the shift schedule, prompt cached under the prefix mask,
temperature 0; the step budget is the share of the tokens that `step_ratio` takes.
"""

from __future__ import annotations

import argparse
import copy
from typing import Any

import torch
from llava.constants import DEFAULT_IMAGE_TOKEN, IMAGE_TOKEN_INDEX
from llava.conversation import conv_templates
from llava.mm_utils import process_images, tokenizer_image_token
from llava.model.builder import load_pretrained_model
from PIL import Image
from protocol import Hello, Reply, Request, serve

LENGTH = 128
TOWER = {
    "mm_vision_tower": "google/siglip-so400m-patch14-384",
    "mm_resampler_type": None,
    "mm_projector_type": "mlp2x_gelu",
    "mm_hidden_size": 1152,
    "use_mm_proj": True,
}


class LaViDa:
    def __init__(self, checkpoint: str, device: str) -> None:
        self.device = device
        self.tokenizer, self.model, self.processor, _ = load_pretrained_model(
            checkpoint,
            None,
            "llava_llada",
            device_map=device,
            vision_kwargs=TOWER,
            torch_dtype="bfloat16",
        )
        self.model.eval()
        self.model.tie_weights()
        self.model.to(torch.bfloat16)

    @torch.inference_mode()
    def caption(self, request: Request) -> Reply:
        with Image.open(request.image) as opened:
            image = opened.convert("RGB")
        tiles = process_images([image], self.processor, self.model.config)
        steps = request.steps or LENGTH
        output = self.model.generate(
            self._prompt(request.prompt),
            images=[tile.to(dtype=torch.bfloat16, device=self.device) for tile in tiles],
            image_sizes=[image.size],
            do_sample=False,
            temperature=0,
            max_new_tokens=LENGTH,
            block_length=LENGTH,
            step_ratio=steps / LENGTH,
            tokenizer=self.tokenizer,
            prefix_lm=True,
            schedule="shift",
        )
        text = self.tokenizer.batch_decode(output, skip_special_tokens=True)[0].lstrip("!")
        return {"caption": text.strip(), "nfe": steps}

    def _prompt(self, question: str) -> Any:
        chat = copy.deepcopy(conv_templates["llada"])
        chat.append_message(chat.roles[0], f"{DEFAULT_IMAGE_TOKEN}\n{question}")
        chat.append_message(chat.roles[1], None)
        ids = tokenizer_image_token(
            chat.get_prompt(), self.tokenizer, IMAGE_TOKEN_INDEX, return_tensors="pt"
        )
        return ids[None].to(self.device)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--device", default="cuda:0")
    arguments = parser.parse_args()
    hello = Hello("lavida", "masked diffusion", "shift", length=LENGTH, steps=LENGTH)
    serve(hello, LaViDa(arguments.checkpoint, arguments.device).caption)
