"""MMaDA as a worker, in its authors' environment (their packages `models` and `training`).

    PYTHONPATH=/path/to/MMaDA python mmada.py --checkpoint Gen-Verse/MMaDA-8B-MixCoT

As its authors run it: 512 tokens in blocks of 128, half as many steps, bfloat16 autocast, the
question in the tokenizer's chat template. A picture is 1,024 tokens of a MAGVIT-v2 tokenizer at
512 x 512. `--old-prompt` takes the form of their earlier script. The device is the first that
CUDA_VISIBLE_DEVICES names.
"""

from __future__ import annotations

import argparse
from typing import Any

from protocol import Caption, Hello, Reply, Request, serve

LENGTH, BLOCK, SIDE = 512, 128, 512
BLOCKS, STEPS = LENGTH // BLOCK, LENGTH // 2
SPECIAL = (
    "<|soi|>",
    "<|eoi|>",
    "<|sov|>",
    "<|eov|>",
    "<|t2i|>",
    "<|mmu|>",
    "<|t2v|>",
    "<|v2v|>",
    "<|lvg|>",
)


class MMaDA:
    def __init__(self, checkpoint: str, tokenizer: str, *, old_prompt: bool) -> None:
        import torch
        from models import MAGVITv2, MMadaModelLM
        from training.prompting_utils import UniversalPrompting
        from transformers import AutoTokenizer

        self.old_prompt = old_prompt
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.prompting = UniversalPrompting(
            AutoTokenizer.from_pretrained(checkpoint, padding_side="left"),
            max_text_len=LENGTH,
            special_tokens=SPECIAL,
            ignore_id=-100,
            cond_dropout_prob=0.0,
            use_reserved_token=True,
        )
        self.pixels = MAGVITv2.from_pretrained(tokenizer).to(self.device).eval()
        self.model = MMadaModelLM.from_pretrained(checkpoint, torch_dtype=torch.bfloat16)
        self.model.to(self.device).eval()

    def caption(self, request: Request) -> Reply:
        import torch

        steps = request.steps or STEPS
        if steps % BLOCKS:
            raise ValueError(f"{steps} steps do not split over MMaDA's {BLOCKS} blocks")
        with torch.inference_mode(), torch.autocast(self.device, torch.bfloat16):
            ids = self._ids(request)
            output = self.model.mmu_generate(
                ids, max_new_tokens=LENGTH, steps=steps, block_length=BLOCK
            )
        if output.ndim != 2 or output.shape[1] <= ids.shape[1]:
            raise ValueError(f"expected token ids after the prompt, got {tuple(output.shape)}")
        decode = self.prompting.text_tokenizer.batch_decode
        text = decode(output[:, ids.shape[1] :], skip_special_tokens=True)[0]
        return {"caption": text.strip(), "nfe": steps}

    def _ids(self, request: Request) -> Any:
        import torch
        from PIL import Image
        from training.utils import image_transform

        with Image.open(request.image) as image:
            pixels = image_transform(image.convert("RGB"), resolution=SIDE).to(self.device)
        codes = self.pixels.get_code(pixels[None]) + len(self.prompting.text_tokenizer)
        front = (self._mark("<|mmu|>"), self._mark("<|soi|>"), codes, self._mark("<|eoi|>"))
        return torch.cat([*front, *self._question(request.prompt)], dim=1).long()

    def _question(self, prompt: str) -> list[Any]:
        import torch

        words = self.prompting.text_tokenizer
        if not self.old_prompt:
            chat = [{"role": "user", "content": prompt}]
            text = words.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
            return [torch.tensor(words([text])["input_ids"], device=self.device)]
        turn = (
            f"<|start_header_id|>user<|end_header_id|>\n{prompt}<eot_id>"
            "<|start_header_id|>assistant<|end_header_id|>\n"
        )
        return [
            self._mark("<|sot|>"),
            torch.tensor(words([turn])["input_ids"], device=self.device),
        ]

    def _mark(self, token: str) -> Any:
        import torch

        return torch.full((1, 1), int(self.prompting.sptids_dict[token]), device=self.device)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", default="Gen-Verse/MMaDA-8B-MixCoT")
    parser.add_argument("--tokenizer", default="showlab/magvitv2")
    parser.add_argument("--old-prompt", action="store_true", help="the earlier script's form")
    given = parser.parse_args()

    def load() -> Caption:
        return MMaDA(given.checkpoint, given.tokenizer, old_prompt=given.old_prompt).caption

    serve(Hello("mmada", "masked diffusion", "official", length=LENGTH, steps=STEPS), load=load)
