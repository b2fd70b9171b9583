"""The report in a real browser: no request, no error, no hostile text that acts, readable at any width, accessible."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from browsing import WCAG, Watch, hostile_run, payloads
from made_run import make_run

from synth.stages.report import compare, report

WIDTHS = (360, 800, 1400)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    make_run(folder / "plain")
    hostile_run(folder / "hostile")
    both = compare(folder / "plain", folder / "hostile", folder / "compare.html")
    return {"plain": report(folder / "plain"), "hostile": report(folder / "hostile"), "compare": both}


@pytest.mark.parametrize("name", ["plain", "hostile", "compare"])
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
        assert watch.asked == [watch.url]
        assert watch.said == []
        odd = "script, iframe, object, embed, img, link, base, form, template, video, [onload], [onerror], [onclick]"
        assert page.locator(odd).count() == 0


@pytest.mark.parametrize("name", ["plain", "hostile", "compare"])
def test_the_page_fits_its_window(name: str, browser: Any, pages: dict[str, Path]) -> None:
    cut = """[...document.querySelectorAll('svg text')].filter(text => {
        const box = text.getBoundingClientRect(), chart = text.ownerSVGElement.getBoundingClientRect();
        return box.width && (box.left < chart.left - 2 || box.right > chart.right + 2);
    }).map(text => text.textContent)"""
    with Watch(browser, pages[name]) as watch:
        for width in WIDTHS:
            watch.page.set_viewport_size({"width": width, "height": 900})
            assert watch.page.evaluate("document.documentElement.scrollWidth") <= width
            if name != "hostile":
                assert watch.page.evaluate(cut) == [], width


@pytest.mark.parametrize(
    ("name", "scheme"),
    [
        ("plain", "light"),
        ("plain", "dark"),
        pytest.param("compare", "light", marks=pytest.mark.slow),
    ],
)
def test_axe_finds_no_violation_of_wcag_aa(
    name: str, scheme: str, browser: Any, pages: dict[str, Path], axe: str
) -> None:
    with Watch(browser, pages[name], color_scheme=scheme) as watch:
        watch.page.evaluate(axe)
        found = watch.page.evaluate(WCAG)["violations"]
        assert [(one["id"], one["nodes"][0]["html"][:200]) for one in found] == []


def test_every_chart_has_a_name_and_its_numbers_beside_it(browser: Any, pages: dict[str, Path]) -> None:
    with Watch(browser, pages["plain"]) as watch:
        figures = watch.page.locator("figure").all()
        assert len(figures) >= 15
        for figure in figures:
            assert figure.locator("svg[role=img][aria-label]").count() == 1
            assert figure.locator("table tbody tr").count() >= 1
