"""Small stand-ins of rivals' official modules: the same names and signatures, and as chatty."""

from __future__ import annotations

from pathlib import Path

LLAVA = {
    "llava/__init__.py": "print('llava: loading')\nprint('[1, 2]')\n",
    "llava/constants.py": "DEFAULT_IMAGE_TOKEN, IMAGE_TOKEN_INDEX = '<image>', -200\n",
    "llava/conversation.py": """
class Chat:
    roles = ("user", "assistant")
    def __init__(self): self.said = []
    def append_message(self, role, text): self.said.append((role, text))
    def get_prompt(self): return "".join(f"{r}: {t}\\n" for r, t in self.said)
conv_templates = {"llada": Chat()}
""",
    "llava/mm_utils.py": """
import torch
def process_images(images, processor, config):
    return [torch.zeros(3, 4, 4)]
def tokenizer_image_token(prompt, tokenizer, index, return_tensors):
    print("prompt", prompt)
    return torch.tensor([5, index, 6])
""",
    "llava/model/__init__.py": "",
    "llava/model/builder.py": """
import json, os, torch
print("builder: warming up")
class Inner(torch.nn.Module):
    checkpointing = "whole_layer"
    def set_activation_checkpointing(self, how): self.checkpointing = how
class Model(torch.nn.Module):
    config = None
    def __init__(self):
        super().__init__()
        self.inner = Inner()
        self.weight = torch.nn.Parameter(torch.zeros(1))
    def tie_weights(self): pass
    def generate(self, ids, **given):
        assert self.inner.checkpointing is None
        given = {k: v for k, v in given.items() if k not in ("images", "tokenizer")}
        print(json.dumps(given))
        with open(os.environ["SEEN"], "w") as file:
            json.dump(given, file)
        if os.environ.get("SHAPE") == "wrong":
            return torch.tensor([7, 8])
        return torch.tensor([[7, 8, 126348, 9] if "ENDS" in os.environ else [7, 8, 9]])
class Tokenizer:
    def batch_decode(self, output, skip_special_tokens): return ["!!a red circle "]
def load_pretrained_model(path, base, name, device_map, vision_kwargs, torch_dtype):
    print("loading", path)
    return Tokenizer(), Model(), None, 4096
""",
}
MMADA = {
    "models/__init__.py": """
import json, os, torch
print("models: hello")
class MAGVITv2(torch.nn.Module):
    @classmethod
    def from_pretrained(cls, name): print("loading", name); return cls()
    def get_code(self, pixels): return torch.zeros(1, 4).long()
class MMadaModelLM(torch.nn.Module):
    @classmethod
    def from_pretrained(cls, name, torch_dtype): return cls()
    def mmu_generate(self, ids, max_new_tokens, steps, block_length):
        with open(os.environ["SEEN"], "w") as file:
            cast = torch.is_autocast_enabled("cpu")
            json.dump({"ids": ids[0].tolist(), "steps": steps, "autocast": cast}, file)
        return ids if os.environ.get("SHAPE") == "wrong" else torch.cat([ids, ids[:, :2]], dim=1)
""",
    "training/__init__.py": "",
    "training/utils.py": """
import torch
def image_transform(image, resolution): return torch.zeros(3, 4, 4)
""",
    "training/prompting_utils.py": """
class UniversalPrompting:
    def __init__(self, tokenizer, **given):
        self.text_tokenizer = tokenizer
        self.sptids_dict = {name: 900 + i for i, name in enumerate(
            ("<|mmu|>", "<|soi|>", "<|eoi|>", "<|sot|>"))}
""",
    "transformers/__init__.py": """
class Tokenizer:
    def __len__(self): return 1000
    def __call__(self, texts): return {"input_ids": [[len(t) for t in texts[0].split()]]}
    def apply_chat_template(self, chat, tokenize, add_generation_prompt):
        assert add_generation_prompt and not tokenize
        return f"<template> {chat[0]['content']} <go>"
    def batch_decode(self, output, skip_special_tokens): return [" a blue square "]
class AutoTokenizer:
    @classmethod
    def from_pretrained(cls, name, padding_side): return Tokenizer()
""",
}
FUDOKI = """
import argparse, os, pathlib
QUESTION = "Please describe the image in detail."
parser = argparse.ArgumentParser()
for name in ("batch_size", "seed", "checkpoint_path", "text_embedding_path", "image_embedding_path",
             "image_path", "discrete_fm_steps", "output_dir"):
    parser.add_argument("--" + name)
given = parser.parse_args()
print("Assistant: this is a log")
assert os.path.isabs(given.checkpoint_path) and os.path.isfile(given.image_path)
out = pathlib.Path(given.output_dir)
if given.discrete_fm_steps != "13":
    text = f"seed {given.seed}, {given.discrete_fm_steps} steps"
    (out / "answer.txt").write_text(f"response_sentences: ['User: x Assistant: {text}']")
"""


def write_modules(folder: Path, files: dict[str, str]) -> Path:
    """Writes stand-in modules; returns the folder for PYTHONPATH."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder
