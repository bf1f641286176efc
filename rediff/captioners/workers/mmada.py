"""MMaDA as a worker, in its authors' environment (their packages `models` and `training`).

    PYTHONPATH=/path/to/MMaDA python mmada.py --checkpoint Gen-Verse/MMaDA-8B-MixCoT

Defaults: 512 tokens in blocks of 128, half as many steps. A picture is 1,024 tokens of a MAGVIT-v2
tokenizer at 512 x 512.
"""

from __future__ import annotations

import argparse

import torch
from models import MAGVITv2, MMadaModelLM
from PIL import Image
from protocol import Hello, Reply, Request, serve
from training.prompting_utils import UniversalPrompting
from training.utils import image_transform
from transformers import AutoTokenizer

LENGTH, BLOCK, SIDE = 512, 128, 512
STEPS = LENGTH // 2
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
    def __init__(self, checkpoint: str, tokenizer: str, device: str) -> None:
        self.device = device
        self.prompting = UniversalPrompting(
            AutoTokenizer.from_pretrained(checkpoint, padding_side="left"),
            max_text_len=LENGTH,
            special_tokens=SPECIAL,
            ignore_id=-100,
            cond_dropout_prob=0.0,
            use_reserved_token=True,
        )
        self.pixels = MAGVITv2.from_pretrained(tokenizer).to(device).eval()
        self.model = MMadaModelLM.from_pretrained(checkpoint, torch_dtype=torch.bfloat16)
        self.model.to(device).eval()

    @torch.inference_mode()
    def caption(self, request: Request) -> Reply:
        ids = self._ids(request)
        steps = request.steps or STEPS
        output = self.model.mmu_generate(
            ids, max_new_tokens=LENGTH, steps=steps, block_length=BLOCK
        )
        decode = self.prompting.text_tokenizer.batch_decode
        text = decode(output[:, ids.shape[1] :], skip_special_tokens=True)[0]
        return {"caption": text.strip(), "nfe": steps}

    def _ids(self, request: Request) -> torch.Tensor:
        with Image.open(request.image) as image:
            pixels = image_transform(image.convert("RGB"), resolution=SIDE).to(self.device)
        words = self.prompting.text_tokenizer
        codes = self.pixels.get_code(pixels[None]) + len(words)
        turn = (
            f"<|start_header_id|>user<|end_header_id|>\n{request.prompt}<eot_id>"
            "<|start_header_id|>assistant<|end_header_id|>\n"
        )
        text = torch.tensor(words([turn])["input_ids"], device=self.device)
        parts = (self._mark("<|mmu|>"), self._mark("<|soi|>"), codes, self._mark("<|eoi|>"))
        return torch.cat([*parts, self._mark("<|sot|>"), text], dim=1).long()

    def _mark(self, token: str) -> torch.Tensor:
        return torch.full((1, 1), int(self.prompting.sptids_dict[token]), device=self.device)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", default="Gen-Verse/MMaDA-8B-MixCoT")
    parser.add_argument("--tokenizer", default="showlab/magvitv2")
    parser.add_argument("--device", default="cuda:0")
    arguments = parser.parse_args()
    worker = MMaDA(arguments.checkpoint, arguments.tokenizer, arguments.device)
    hello = Hello("mmada", "masked diffusion", "official", length=LENGTH, steps=STEPS)
    serve(hello, worker.caption)
