"""The report in a real browser: no request, no error, no hostile text that acts, readable at any width, accessible."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parents[1]))
from made_run import make_run

from synth.records import Lineage, Record
from synth.stages.audit import write_sheet
from synth.stages.report import compare, report

CHROMIUM = os.environ.get("SYNTH_CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
AXE_PACKAGE, AXE_SHA256 = "axe-core@4.14.1", "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"
WIDTHS = (360, 800, 1400)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: the page was NOT opened")
    if not Path(CHROMIUM).is_file():
        pytest.skip(f"there is no {CHROMIUM} (Debian: apt-get install chromium): the page was NOT opened in a browser")
    with api.sync_playwright() as play:
        opened = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The source of axe-core, from SYNTH_AXE (a path) or from the npm registry."""
    named = os.environ.get("SYNTH_AXE")
    if named:
        return Path(named).read_text("utf-8")
    folder = tmp_path_factory.mktemp("axe")
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("there is no npm to fetch axe-core with, and SYNTH_AXE is not set: accessibility was NOT checked")
    try:
        subprocess.run([npm, "pack", AXE_PACKAGE, "--silent"], cwd=folder, check=True, timeout=60, capture_output=True)
    except (subprocess.SubprocessError, OSError) as error:
        pytest.skip(f"axe-core could not be fetched ({error}): accessibility was NOT checked")
    with tarfile.open(next(folder.glob("*.tgz"))) as archive:
        member = archive.extractfile("package/axe.min.js")
        assert member is not None
        source = member.read()
    assert hashlib.sha256(source).hexdigest() == AXE_SHA256
    return source.decode()


def payloads() -> list[str]:
    """Over 100 texts that would run, load or break out of something in a page that trusts them."""
    acts = ["window.pwned=1", "fetch('http://127.0.0.1:9/x')", "alert(1)", "document.title='pwned'"]
    forms = [
        "<script>{a}</script>",
        "</pre></details><script>{a}</script>",
        "</style><script>{a}</script>",
        "</title><script>{a}</script>",
        "</svg><script>{a}</script>",
        "<svg onload={a}>",
        "<svg><animate onbegin={a} attributeName=x dur=1s>",
        "<svg><script href='data:text/javascript,{a}'></script></svg>",
        "<img src=x onerror={a}>",
        "<img src='http://127.0.0.1:9/pixel.png'>",
        "<iframe srcdoc='<script>parent.{a}</script>'></iframe>",
        "<object data='javascript:{a}'></object>",
        "<embed src='data:text/html,<script>{a}</script>'>",
        "<link rel=stylesheet href='http://127.0.0.1:9/x.css'>",
        "<style>@import 'http://127.0.0.1:9/x.css'; body{{display:none}}</style>",
        "<meta http-equiv=refresh content='0;url=javascript:{a}'>",
        "<base href='http://127.0.0.1:9/'>",
        "<form action='javascript:{a}'><input autofocus onfocus={a}>",
        "<details open ontoggle={a}>",
        "<video><source onerror={a}></video>",
        "<a href='javascript:{a}'>click</a>",
        "<math><mtext></form><form><mglyph><style></math><img src onerror={a}>",
        '" onmouseover="{a}',
        "' onfocus='{a}' autofocus='",
        "<!--><script>{a}</script>-->",
        "]]><script>{a}</script>",
        "{{{{ {a} }}}}{{% for x in y %}}",
        "<template><script>{a}</script></template>",
        "\u003cscript\u003e{a}\u003c/script\u003e\x00\u202e",
        "<scr\x00ipt>{a}</script>",
    ]
    return [form.format(a=act) for form in forms for act in acts]


def hostile_run(folder: Path) -> None:
    records = []
    for text in payloads():
        line = Lineage("bootstrap", ("seed-1",), text, 0, text, text)
        meta = {"category": text, "language": text, "grade": 3, "nearest": text}
        records.append(Record(f"Write a {text}", text, text, lineage=line, meta=meta))
    make_run(folder, roots=30, extra=records)
    (folder / "recipe.yaml").write_text("".join(payloads()))
    arms = [
        {"name": text, "metric": text, "value": 0.5, "low": 0.4, "high": 0.6, "n": text} for text in payloads()[::9]
    ]
    import json

    (folder / "evaluation.json").write_text(json.dumps({"arms": arms, "notes": payloads()}))


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    make_run(folder / "plain")
    hostile_run(folder / "hostile")
    audit = write_sheet(folder / "hostile", 40)[1]
    both = compare([folder / "plain", folder / "hostile"], folder / "compare.html")
    return {"plain": report(folder / "plain"), "hostile": report(folder / "hostile"), "compare": both, "audit": audit}


class Watch:
    """A page opened from disk, and all it said and asked for."""

    def __init__(self, browser: Any, path: Path, **options: Any) -> None:
        self.page = browser.new_page(**options)
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.said.append(f"dialog {dialog.message}"), dialog.dismiss()))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(path.as_uri())
        self.path = path

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        self.page.close()


@pytest.mark.parametrize("name", ["plain", "hostile", "compare", "audit"])
def test_the_page_asks_for_nothing_and_no_text_in_it_acts(name: str, browser: Any, pages: dict[str, Path]) -> None:
    assert len(payloads()) >= 100
    with Watch(browser, pages[name]) as watch:
        page = watch.page
        title = page.title()
        page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        page.mouse.move(200, 200)
        page.keyboard.press("Tab")
        page.wait_for_timeout(300)
        assert page.evaluate("window.pwned") is None
        assert page.title() == title and "pwned" not in title
        assert watch.asked == [watch.path.as_uri()]
        assert watch.said == []
        odd = "script, iframe, object, embed, img, link, base, form, template, video, [onload], [onerror], [onclick]"
        assert page.locator(odd).count() == 0


@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_fits_its_window(width: int, browser: Any, pages: dict[str, Path]) -> None:
    cut = """[...document.querySelectorAll('svg text')].filter(text => {
        const box = text.getBoundingClientRect(), chart = text.ownerSVGElement.getBoundingClientRect();
        return box.width && (box.left < chart.left - 2 || box.right > chart.right + 2);
    }).map(text => text.textContent)"""
    for name in ("plain", "hostile", "compare", "audit"):
        with Watch(browser, pages[name], viewport={"width": width, "height": 900}) as watch:
            assert watch.page.evaluate("document.documentElement.scrollWidth") <= width, name
            if name != "hostile":
                assert watch.page.evaluate(cut) == [], name


@pytest.mark.parametrize(
    ("name", "scheme"),
    [
        ("plain", "light"),
        ("plain", "dark"),
        ("audit", "light"),
        pytest.param("compare", "light", marks=pytest.mark.slow),
    ],
)
def test_axe_finds_no_violation_of_wcag_aa(
    name: str, scheme: str, browser: Any, pages: dict[str, Path], axe: str
) -> None:
    with Watch(browser, pages[name], color_scheme=scheme) as watch:
        watch.page.evaluate(axe)
        run = "axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']})"
        found = watch.page.evaluate(run)["violations"]
        assert [(one["id"], one["nodes"][0]["html"][:200]) for one in found] == []


def test_every_chart_has_a_name_and_its_numbers_beside_it(browser: Any, pages: dict[str, Path]) -> None:
    with Watch(browser, pages["plain"]) as watch:
        figures = watch.page.locator("figure").all()
        assert len(figures) >= 15
        for figure in figures:
            assert figure.locator("svg[role=img][aria-label]").count() == 1
            assert figure.locator("table tbody tr").count() >= 1
