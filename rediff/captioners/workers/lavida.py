"""LaViDa as a worker, in its authors' environment (their package `llava`, its pinned versions).

    PYTHONPATH=/path/to/LaViDa python lavida.py --checkpoint lavida-ckpts/lavida-llada-hd

As its authors evaluate it: 128 tokens in one block, the shift schedule at 0.33 (without a number
their code takes 3, which writes other captions), the prompt cached under the prefix mask,
temperature 0. The step budget is the share of the tokens that `step_ratio` takes; the prompt is one
pass more. The device is the first that CUDA_VISIBLE_DEVICES names. Beside the checkpoint the hub's
cache must hold the tokenizers of GSAI-ML/LLaDA-8B-Instruct and Dream-org/Dream-v0-Instruct-7B, and
google/siglip-so400m-patch14-384.
"""

from __future__ import annotations

import argparse
import copy
from typing import Any

from protocol import Caption, Hello, Reply, Request, serve

LENGTH = 128
END_OF_TURN = 126348
SHIFT = 0.33
TOWER = {
    "mm_vision_tower": "google/siglip-so400m-patch14-384",
    "mm_resampler_type": None,
    "mm_projector_type": "mlp2x_gelu",
    "mm_hidden_size": 1152,
    "use_mm_proj": True,
}


class LaViDa:
    def __init__(self, checkpoint: str, shift: float) -> None:
        import torch
        from llava.model.builder import load_pretrained_model

        self.shift = shift
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.tokenizer, self.model, self.processor, _ = load_pretrained_model(
            checkpoint,
            None,
            "llava_llada",
            device_map=self.device,
            vision_kwargs=TOWER,
            torch_dtype="bfloat16",
        )
        self.model.eval()
        self.model.tie_weights()
        self.model.to(torch.bfloat16)
        for module in self.model.modules():
            if hasattr(module, "set_activation_checkpointing"):
                module.set_activation_checkpointing(None)

    def caption(self, request: Request) -> Reply:
        import torch
        from llava.mm_utils import process_images
        from PIL import Image

        with Image.open(request.image) as opened:
            image = opened.convert("RGB")
        tiles = process_images([image], self.processor, self.model.config)
        steps = request.steps or LENGTH
        with torch.inference_mode():
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
                schedule_kwargs={"shift": self.shift},
            )
        return self._reply(output, steps)

    def _reply(self, output: Any, steps: int) -> Reply:
        if output.ndim != 2 or output.shape[0] != 1:
            raise ValueError(f"expected one row of token ids, got the shape {tuple(output.shape)}")
        ids = output[0].tolist()
        ends = END_OF_TURN in ids
        text = self.tokenizer.batch_decode(output, skip_special_tokens=True)[0].lstrip("!")
        return {
            "caption": text.strip(),
            "tokens": ids.index(END_OF_TURN) if ends else len(ids),
            "nfe": 1 + steps,
            "truncated": not ends,
        }

    def _prompt(self, question: str) -> Any:
        from llava.constants import DEFAULT_IMAGE_TOKEN, IMAGE_TOKEN_INDEX
        from llava.conversation import conv_templates
        from llava.mm_utils import tokenizer_image_token

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
    parser.add_argument("--shift", type=float, default=SHIFT, help="of the schedule")
    arguments = parser.parse_args()

    def load() -> Caption:
        return LaViDa(arguments.checkpoint, arguments.shift).caption

    serve(Hello("lavida", "masked diffusion", "shift", length=LENGTH, steps=LENGTH), load=load)
