from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from senmon.server.page import STATIC
from server_rig import Site

FILES = sorted(path.name for path in STATIC.iterdir() if path.is_file())


def test_page_and_its_files_are_served(site: Site) -> None:
    page = site.anonymous.get("/")
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["cache-control"] == "no-cache"
    named = set(re.findall(r'(?:src|href)="(static/[^"]+)"', page.text))
    for module in STATIC.glob("*.js"):
        named |= {
            f"static/{name}" for name in re.findall(r'from "\./([^"]+)"', module.read_text(encoding="utf-8"))
        }
    assert named == {f"static/{name}" for name in FILES if name != "index.html"}
    for path in named:
        answer = site.anonymous.get(f"/{path}")
        assert answer.status_code == 200 and answer.headers["x-content-type-options"] == "nosniff", path


@pytest.mark.parametrize("name", FILES)
def test_nothing_inline_and_nothing_from_elsewhere(name: str) -> None:
    text = (STATIC / name).read_text(encoding="utf-8")
    for banned in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"):
        assert banned not in text
    for banned in (" style=", "<style", "javascript:", "@import", "url("):
        assert banned not in text
    assert not re.search(r"<script(?![^>]*src=)", text) and not re.search(r"<[^>]+ on\w+=", text)
    elsewhere = re.findall(r"(?:https?:)?//[a-z0-9-]+\.[a-z]+[^\s\"']*", text)
    assert elsewhere in ([], ["http://www.w3.org/2000/svg"])


def test_page_can_be_used_without_seeing_it() -> None:
    html = (STATIC / "index.html").read_text(encoding="utf-8")
    assert '<html lang="en">' in html and 'role="log"' in html and 'role="alert"' in html
    fields = re.findall(r'<textarea id="(\w+)"', html)
    assert all(f'<label class="hidden" for="{field}"' in html for field in fields) and fields
    for button in re.findall(r"<button[^>]*>(.*?)</button>", html):
        assert button.strip()


FOLLOW = """
import { follow } from "%s";
const [url, run, token] = process.argv.slice(2);
const seen = [];
let opened = 0;
await follow(async (after) => {
  opened += 1;
  const headers = { Authorization: `Bearer ${token}`, ...(after ? { "Last-Event-ID": String(after) } : {}) };
  const response = await fetch(`${url}/v1/runs/${run}/events`, { headers });
  // The line drops in the middle of a frame, twice.
  return opened > 2 ? response : { ok: true, body: cut(response.body, 900) };
}, (event) => seen.push(event));
console.log(JSON.stringify({ opened, seen }));
function cut(body, bytes) {
  let left = bytes;
  return body.pipeThrough(new TransformStream({
    transform(chunk, out) {
      if (left <= 0) return;
      out.enqueue(chunk.slice(0, left));
      left -= chunk.length;
      if (left <= 0) out.terminate();
    },
  }));
}
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not here, so no script is run")
def test_pages_reader_resumes_a_dropped_stream(site: Site, tmp_path: Path) -> None:
    for path in STATIC.glob("*.js"):
        (tmp_path / path.name).write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "package.json").write_text('{"type": "module"}', encoding="utf-8")
    (tmp_path / "main.js").write_text(FOLLOW % "./sse.js", encoding="utf-8")
    run = site.say(site.conversation(), "count please").json()["run_id"]
    token = site.client.headers["authorization"].split()[1]
    command = ["node", str(tmp_path / "main.js"), site.url, run, token]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["opened"] == 3
    assert [event["seq"] for event in result["seen"]] == list(range(1, 24))
    assert result["seen"][-1]["type"] == "done"
