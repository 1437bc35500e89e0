"""The pages that the server brings: their files are there, nothing is inline or from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from senmon.server.page import STATIC
from server_rig import FakeWorkspace, Site, serving

PAGES = [STATIC / "index.html", *sorted((STATIC / "demo").glob("*.html"))]
WRITTEN = [*PAGES, *sorted((STATIC / "demo").glob("*.js")), *sorted((STATIC / "demo").glob("*.css"))]


def test_front_page_says_how_to_embed(site: Site) -> None:
    page = site.anonymous.get("/")
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["cache-control"] == "no-cache"
    assert "senmon sites add" in page.text
    for path in re.findall(r'(?:src|href)="([^"#]+)"', page.text):
        assert site.anonymous.get(f"/{path}").status_code == 200, path


def test_demonstrations_and_their_files_are_served(make_workspace: Callable[..., FakeWorkspace]) -> None:
    with serving(make_workspace(demo=True)) as site:
        assert site.anonymous.get("/").headers["location"] == "demo/index"
        for name in ("index", "shop", "classroom"):
            page = site.anonymous.get(f"/demo/{name}")
            assert (
                page.status_code == 200
                and "trusted-types lit-html" in page.headers["content-security-policy"]
            )
            for path in re.findall(r'(?:src|href)="([^"#]+)"', page.text):
                answer = site.anonymous.get(str(page.url.join(path)), follow_redirects=True)
                assert answer.status_code == 200, path
                assert answer.headers["x-content-type-options"] == "nosniff", path


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.name)
def test_nothing_inline_and_nothing_from_elsewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for banned in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"):
        assert banned not in text
    for banned in (" style=", "<style", "javascript:", "@import", "url("):
        assert banned not in text
    assert not re.search(r"<script(?![^>]*src=)", text) and not re.search(r"<[^>]+ on\w+=", text)
    assert not re.findall(r"(?:https?:)?//[a-z0-9-]+\.[a-z]+[^\s\"']*", text)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_pages_can_be_used_without_seeing_them(path: Path) -> None:
    html = path.read_text(encoding="utf-8")
    assert '<html lang="en">' in html and "<h1>" in html and "<title>" in html
    assert all(' alt="' in image for image in re.findall(r"<img[^>]*>", html))
    for button in re.findall(r"<button[^>]*>(.*?)</button>", html):
        assert button.strip()


def test_one_line_embeds_the_chat() -> None:
    for name in ("shop", "classroom"):
        html = (STATIC / "demo" / f"{name}.html").read_text(encoding="utf-8")
        assert len(re.findall(r"senmon-chat\.js", html)) == 1 and "<senmon-chat" not in html
