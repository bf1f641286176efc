"""FUDOKI as a worker: runs its authors' own inference script once a picture.

    python fudoki.py --repository /path/to/FUDOKI --checkpoint /path/to/FUDOKI-weights

Needs the standard library; the script runs in the environment that `--python` names. It loads the
model again for each picture, which is slow and needs no knowledge of its insides. The script
answers the question that is written in it: write the harness's prompt there once, or every request
is refused. Their evaluation takes 32 steps and seed 99, which are the defaults here; their demo
takes 50 and 999 (`--steps 50 --seed 999`).
"""

from __future__ import annotations

import argparse
import ast
import re
import subprocess
import tempfile
from pathlib import Path

from protocol import Hello, Reply, Request, serve

STEPS, SEED = 32, 99
SCRIPT = "inference_i2t_local.py"
WRITTEN = "response_sentences:"
"""The text with which the file of an answer begins."""


class Fudoki:
    def __init__(
        self,
        repository: Path,
        checkpoint: Path,
        python: str,
        *,
        steps: int = STEPS,
        seed: int = SEED,
    ) -> None:
        self.repository, self.checkpoint = repository.resolve(), checkpoint.resolve()
        self.python, self.steps, self.seed = python, steps, seed

    def caption(self, request: Request) -> Reply:
        steps = request.steps or self.steps
        if steps < 2:
            raise ValueError("1 step: FUDOKI's flow takes at least 2")
        if request.prompt not in (self.repository / SCRIPT).read_text(encoding="utf-8"):
            raise ValueError(
                f"{SCRIPT} asks a question of its own: write {request.prompt!r} in its place"
            )
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(
                self._command(request.image, steps, Path(folder)),
                cwd=self.repository,
                capture_output=True,
                text=True,
                check=False,
            )
            written = sorted(Path(folder).rglob("*.txt")) + sorted(Path(folder).rglob("*.json"))
            texts = [path.read_text(encoding="utf-8") for path in written]
        if done.returncode:
            return {"error": f"exit code {done.returncode}: {done.stderr.strip()[-200:]}"}
        if len(texts) != 1:
            return {"error": f"the script wrote {len(texts)} answers, not one"}
        return {"caption": answer(texts[0]), "nfe": steps}

    def _command(self, image: str, steps: int, out: Path) -> list[str]:
        return [
            self.python,
            "-m",
            "torch.distributed.run",
            "--standalone",
            "--nproc_per_node",
            "1",
            SCRIPT,
            "--batch_size",
            "1",
            "--seed",
            str(self.seed),
            "--checkpoint_path",
            str(self.checkpoint),
            "--text_embedding_path",
            str(self.checkpoint / "text_embedding.pt"),
            "--image_embedding_path",
            str(self.checkpoint / "image_embedding.pt"),
            "--image_path",
            str(Path(image).resolve()),
            "--discrete_fm_steps",
            str(steps),
            "--output_dir",
            str(out),
        ]


def answer(text: str) -> str:
    """The answer in the file that the script writes: after its mark and the last assistant turn.

    Raises ValueError for a file without the mark, which is no answer of the script's.
    """
    before, mark, after = text.partition(WRITTEN)
    if not mark or before.strip():
        raise ValueError(f"the script's file does not begin with {WRITTEN!r}")
    said = after.strip()
    if said.startswith("["):
        sentences = ast.literal_eval(said)
        if len(sentences) != 1:
            raise ValueError(f"the script's file holds {len(sentences)} answers, not one")
        said = str(sentences[0])
    return re.split(r"Assistant:", said)[-1].strip()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repository", type=Path, required=True)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--python", default="python")
    parser.add_argument("--steps", type=int, default=STEPS, help="where a request names none")
    parser.add_argument("--seed", type=int, default=SEED)
    given = parser.parse_args()
    worker = Fudoki(
        given.repository, given.checkpoint, given.python, steps=given.steps, seed=given.seed
    )
    serve(Hello("fudoki", "discrete flow", "official", steps=given.steps), worker.caption)
