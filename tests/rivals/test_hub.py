"""Hub ids, against a hub on loopback: a pinned revision, safetensors, and no code."""

import hashlib
import json
from pathlib import Path
from urllib.parse import unquote

import pytest
import tiny_models
from programs import program
from servers import Answer, Server, serving

from rediff.io.hub import fetch, is_hub_id

SHA = "0123456789abcdef0123456789abcdef01234567"


def hub(server: Server, folder: Path, name: str) -> None:
    """Lets the server answer as a hub that holds `folder` as the model `name`, by one revision."""
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    facts = {
        "id": name, "modelId": name, "sha": SHA, "private": False, "tags": [], "downloads": 0,
        "likes": 0, "siblings": [{"rfilename": file} for file in files],
    }  # fmt: skip

    def answer(method: str, path: str, body: object) -> Answer:
        path = unquote(path.partition("?")[0])
        if path in (f"/api/models/{name}/revision/main", f"/api/models/{name}/revision/{SHA}"):
            return 200, {"Content-Type": "application/json"}, json.dumps(facts).encode()
        if path.startswith(f"/api/models/{name}/tree/{SHA}"):
            tree = [{"type": "file", "path": f, "size": len(c), "oid": _etag(c)}
                    for f, c in files.items()]  # fmt: skip
            return 200, {"Content-Type": "application/json"}, json.dumps(tree).encode()
        file = path.removeprefix(f"/{name}/resolve/{SHA}/")
        if file in files:
            return 200, {"ETag": f'"{_etag(files[file])}"', "X-Repo-Commit": SHA}, files[file]
        return 404, {"X-Error-Code": "RepoNotFound"}, b""

    server.answer = answer


def _etag(content: bytes) -> str:
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()


@pytest.mark.parametrize("revision", ["", f"@{SHA}"], ids=["newest", "pinned"])
def test_a_model_from_a_hub(revision: str, tmp_path: Path) -> None:
    folder = tiny_models.make_official(tmp_path / "model")
    (folder / "modeling.py").write_text("raise SystemExit('code from the hub was run')")
    (folder / "pytorch_model.bin").write_bytes(b"pickle")
    with serving() as server:
        hub(server, folder, "owner/tiny")
        world = {
            "HF_ENDPOINT": server.url, "HF_HUB_OFFLINE": "0", "HF_HOME": str(tmp_path / "home"),
            "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1",
        }  # fmt: skip
        caption = ("caption", "scene:0", "--model", f"owner/tiny{revision}", "--steps", "4")
        output = program(*caption, **world)
        assert "4 forward passes" in output
        asked = {path for method, path, _ in server.seen if method == "GET"}
        assert not any("modeling.py" in path or "pytorch_model.bin" in path for path in asked)
        assert any(path.endswith(".safetensors") for path in asked)
    assert "forward passes" in program(*caption, **{**world, "HF_HUB_OFFLINE": "1"})


def test_a_model_that_cannot_be_fetched_is_one_sentence(tmp_path: Path) -> None:
    output = program("caption", "scene:0", "--model", "ReDiff-8B", ok=2, HF_HOME=str(tmp_path))
    assert output.startswith("Error: cannot fetch jiyatai/ReDiff from the hub (")
    assert "download it where there is a network and give its folder" in output
    with pytest.raises(FileNotFoundError, match="cannot fetch owner/none@v1"):
        fetch("owner/none@v1")


def test_what_is_a_hub_id() -> None:
    assert is_hub_id("jiyatai/ReDiff")
    assert is_hub_id("jiyatai/ReDiff@abc123")
    assert not is_hub_id("rediff")
    assert not is_hub_id("a/b/c")
    assert not is_hub_id("a/b@c@d")
