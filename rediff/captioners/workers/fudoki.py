"""FUDOKI as a worker: runs its authors' own inference script once a picture.

    python fudoki.py --repository /path/to/FUDOKI --checkpoint /path/to/FUDOKI-weights

Needs the standard library; the script runs in the environment that `--python` names. It loads
the model again for each picture, which is slow and needs no knowledge of its insides. The script
answers the question that is written in it, so set that to the harness's prompt once.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import tempfile
from pathlib import Path

from protocol import Hello, Reply, Request, serve

STEPS = 50
SCRIPT = "inference_i2t_local.py"


class Fudoki:
    def __init__(self, repository: Path, checkpoint: Path, python: str) -> None:
        self.repository, self.checkpoint, self.python = repository, checkpoint, python

    def caption(self, request: Request) -> Reply:
        steps = request.steps or STEPS
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(
                self._command(request.image, steps, Path(folder)),
                cwd=self.repository,
                capture_output=True,
                text=True,
                check=False,
            )
            written = sorted(Path(folder).rglob("*.txt")) + sorted(Path(folder).rglob("*.json"))
            text = written[-1].read_text() if written else done.stdout
        if done.returncode:
            return {"error": f"exit code {done.returncode}: {done.stderr.strip()[-200:]}"}
        return {"caption": answer(text), "nfe": steps}

    def _command(self, image: str, steps: int, out: Path) -> list[str]:
        return [
            self.python,
            "-m",
            "torch.distributed.run",
            "--nproc_per_node",
            "1",
            SCRIPT,
            "--batch_size",
            "1",
            "--checkpoint_path",
            str(self.checkpoint),
            "--text_embedding_path",
            str(self.checkpoint / "text_embedding.pt"),
            "--image_embedding_path",
            str(self.checkpoint / "image_embedding.pt"),
            "--image_path",
            image,
            "--discrete_fm_steps",
            str(steps),
            "--output_dir",
            str(out),
        ]


def answer(text: str) -> str:
    """The text after the last assistant turn of a transcript, or the whole text."""
    return re.split(r"Assistant:", text)[-1].strip()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repository", type=Path, required=True)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--python", default="python")
    arguments = parser.parse_args()
    worker = Fudoki(arguments.repository, arguments.checkpoint, arguments.python)
    serve(Hello("fudoki", "discrete flow", "official", steps=STEPS), worker.caption)
