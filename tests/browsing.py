"""Hostile texts, a run full of them, and a page that tells all it said and asked for. For tests of pages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from made_run import make_run

from synth.records import Lineage, Record

WCAG = "axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']})"


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
    (folder / "evaluation.json").write_text(json.dumps({"arms": arms, "notes": payloads()}))


class Watch:
    """A page opened from disk or from a server, and all it said and asked for."""

    def __init__(self, browser: Any, where: Path | str, **options: Any) -> None:
        self.page = browser.new_page(**options)
        self.page.set_default_timeout(300_000)
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.said.append(f"dialog {dialog.message}"), dialog.dismiss()))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.url = where.as_uri() if isinstance(where, Path) else where
        self.page.goto(self.url)

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        self.page.close()
