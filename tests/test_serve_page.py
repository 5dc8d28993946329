"""The page in a real browser: its three tools, narrow and wide, dark and light, cut off, by keyboard, for anyone."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")
playwright = pytest.importorskip("playwright.sync_api")

from browser import FAINT, Watch, launched, nameless_controls, picture  # noqa: E402
from serving import running_server  # noqa: E402

pytestmark = pytest.mark.browser
ROOT = Path(__file__).resolve().parent.parent
LOOKS = [(width, scheme) for width in (1280, 360) for scheme in ("light", "dark")]
TOOLS = ("write", "read", "scan")
HOSTILE = "<img/src=x:y/onerror=alert(1)>"
PATIENCE = 15_000  # milliseconds, where the machine is busy
expect = playwright.expect
Open = Callable[..., Any]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with running_server("--threads", 1) as running:
        yield running.url


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    expect.set_options(timeout=PATIENCE)
    yield from launched(playwright)


@pytest.fixture
def opened(server: str, browser: Any) -> Iterator[Open]:
    """Opens the page at a tool. Afterwards nobody may have complained, but for what `expected` names."""
    watches: list[tuple[Watch, str, Any]] = []

    def opened(tool: str = "write", width: int = 1280, scheme: str = "light", expected: str = "", **more: Any) -> Any:
        context = browser.new_context(
            viewport={"width": width, "height": 800}, color_scheme=scheme, has_touch=width < 500, **more
        )
        page = context.new_page()
        watches.append((Watch(page, server), expected, context))
        page.goto(f"{server}/#{tool}")
        page.locator("#model option").first.wait_for(state="attached")  # the server has said what it has
        return page

    yield opened
    for watch, expected, context in watches:
        context.close()
        assert not watch.strangers
        assert not [text for text in watch.complaints if not expected or expected not in text]


def write(page: Any, prompt: str = "ROMEO:\n", seed: str = "7") -> None:
    page.get_by_label("Begin with").fill(prompt)
    page.get_by_label("Seed", exact=True).fill(seed)
    page.get_by_role("button", name="Write", exact=True).click()
    expect(page.locator("#write-status")).to_contain_text("Seed")


def draw(page: Any, *strokes: list[tuple[float, float]]) -> None:
    """With the mouse; points from 0 to 1."""
    box = page.locator("#pad").bounding_box()
    for stroke in strokes:
        points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in stroke]
        page.mouse.move(*points[0])
        page.mouse.down()
        for point in points[1:]:
            page.mouse.move(*point, steps=5)
        page.mouse.up()


def scan(page: Any, fasta: str | None = None) -> None:
    if fasta is None:
        page.get_by_role("button", name="Example").click()
    else:
        page.get_by_label("Sequences (FASTA)").fill(fasta)
    page.get_by_role("button", name="Scan", exact=True).click()
    expect(page.locator("#scan-status")).to_contain_text("hit")


def read_note(page: Any) -> None:
    page.set_input_files("#photo-file", ROOT / "samples" / "note.jpg")
    expect(page.locator("#photo-status")).to_contain_text("not sure")


def use(page: Any, tool: str, touch: bool) -> None:
    """Make a tool do its work."""
    if tool == "write":
        write(page)
        character = page.locator("#written .s2").first
        character.tap() if touch else character.hover()
        expect(page.locator("#write .panel li.chosen")).to_be_visible()
    elif tool == "read":
        draw(page, [(0.25, 0.2), (0.75, 0.2)], [(0.5, 0.2), (0.5, 0.8)])
        expect(page.locator("#reading-verdict .sign")).to_have_text("T")
        read_note(page)
    else:
        scan(page)
        expect(page.locator("#tracks .hit").first).to_be_visible()


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_each_tool_works_and_can_be_read(opened: Open, tool: str, width: int, scheme: str) -> None:
    page = opened(tool, width, scheme)
    use(page, tool, touch=width < 500)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert not nameless_controls(page)
    assert page.evaluate(FAINT) == []
    picture(page, f"{tool}-{width}-{scheme}")


def test_text_flows_in_and_each_character_has_its_surprise(opened: Open) -> None:
    page = opened()
    write(page)
    expect(page.locator("#written .ch")).to_have_count(400)
    expect(page.locator("#write-status")).to_contain_text("400 characters")
    first = page.locator("#written").inner_text()
    write(page)
    assert page.locator("#written").inner_text() == first


def test_arrow_keys_walk_through_the_text_and_say_what_else_might_have_come(opened: Open) -> None:
    page = opened()
    write(page)
    page.locator("#written").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert "current" in page.locator("#written .ch").nth(1).get_attribute("class")
    expect(page.locator("#write .panel")).to_be_visible()
    expect(page.locator("#write .inspected [role=status]")).to_contain_text("bits of surprise")
    page.keyboard.press("ArrowDown")
    assert "current" not in page.locator("#written .ch").nth(1).get_attribute("class")
    page.keyboard.press("Escape")
    expect(page.locator("#write .panel")).to_be_hidden()


def test_stop_ends_the_text_and_keeps_what_came(opened: Open) -> None:
    page = opened(expected="ERR_ABORTED")
    page.get_by_label("Length").fill("4000")
    page.get_by_role("button", name="Write", exact=True).click()
    page.locator("#written .ch").first.wait_for()
    page.get_by_role("button", name="Stop").first.click()
    expect(page.locator("#write-status")).to_contain_text("Stopped after")
    assert 0 < page.locator("#written .ch").count() < 4000


def test_tabs_go_by_arrow_keys(opened: Open) -> None:
    page = opened()
    page.get_by_role("tab", name="Write").focus()
    for name in ("Read", "Scan", "Write"):
        page.keyboard.press("ArrowRight")
        expect(page.get_by_role("tab", name=name)).to_be_focused()
        expect(page.get_by_role("tabpanel", name=name)).to_be_visible()


def test_a_letter_drawn_by_keyboard_is_recognised_and_taken_back(opened: Open) -> None:
    page = opened("read")
    page.locator("#pad").focus()
    for key in ("Shift+ArrowUp",) * 3 + ("Shift+ArrowLeft", " ") + ("ArrowDown",) * 22 + ("ArrowRight",) * 13 + (" ",):
        page.keyboard.press(key)
    expect(page.locator("#reading-verdict .sign")).to_contain_text("L")
    page.keyboard.press("Backspace")
    expect(page.locator("#reading-verdict")).to_contain_text("Draw one letter")
    expect(page.locator("#pad-status")).to_have_text("Stroke taken back")


def test_a_letter_drawn_with_a_finger_is_recognised(opened: Open) -> None:
    page = opened("read", 360)
    page.locator("#pad").scroll_into_view_if_needed()
    box = page.locator("#pad").bounding_box()
    session = page.context.new_cdp_session(page)
    for kind, place in [("touchStart", 0.1), *(("touchMove", at / 20) for at in range(3, 19)), ("touchEnd", None)]:
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] * (place or 0)
        points = [] if place is None else [{"x": x, "y": y}]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    expect(page.locator("#reading-verdict .sign")).to_have_text(re.compile("[1Il|]"))
    assert page.evaluate("scrollY") == 0 or page.locator("#pad").bounding_box() == box  # it drew, and did not scroll


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("m.fasta.parseFasta('>a b\\r\\nacg\\r\\n\\r\\nuN\\r\\n>c').get('a')", "ACGTN"),
        ("[...m.fasta.parseFasta('junk\\n>a\\n>c d\\nA').keys()].join()", "a,c"),
        ("m.fasta.reverseComplement('AACGN')", "NCGTT"),
        ("m.fasta.around('AACCGGTT', {start: 2, end: 3, strand: '+'}, 2)", "AACCG"),
        ("m.fasta.around('AACCGGTT', {start: 2, end: 3, strand: '-'}, 2)", "CGGTT"),
        ("m.fasta.around('AACCGGTT', {start: 1, end: 2, strand: '+'}, 2)", None),
        ("m.logo.heights([10, 0, 0, 0]).map((bits) => bits.toFixed(4)).join()", "1.7836,0.0000,0.0000,0.0000"),
        ("m.logo.heights([500, 500, 0, 0]).map((bits) => bits.toFixed(2)).join()", "0.50,0.50,0.00,0.00"),
        ("m.logo.heights([0, 0, 0, 0]).join()", "0,0,0,0"),
        ("[0.99999, 1, 0.5, 0.0123, 0.0001, 0].map(m.dom.percent).join()", ">99.9%,100%,50%,1.2%,<0.1%,0.0%"),
    ],
)
def test_the_parts_of_the_page(opened: Open, code: str, expected: object) -> None:
    page = opened("scan")
    load = "Promise.all(['fasta', 'logo', 'dom'].map(async (name) => [name, await import(`/page/${name}.js`)]))"
    assert page.evaluate(f"() => {load}.then(Object.fromEntries).then((m) => {code})") == expected


def test_a_scribble_is_not_taken_for_a_letter(opened: Open) -> None:
    page = opened("read")
    draw(page, [(0.2 + 0.6 * (n % 7) / 6, 0.2 + 0.6 * (n * 3 % 8) / 7) for n in range(24)])
    expect(page.locator("#reading.empty")).to_have_count(0)
    words = page.locator("#reading-verdict").inner_text()
    assert "Not sure" in words or "No character" in words


DROP = """([selector, kind, name, bytes]) => {
  const files = new DataTransfer();
  files.items.add(new File([Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0))], name, { type: "image/jpeg" }));
  const about = { bubbles: true, cancelable: true };
  const event = kind === "paste" ? new ClipboardEvent(kind, { ...about, clipboardData: files })
    : new DragEvent(kind, { ...about, dataTransfer: files });
  document.querySelector(selector).dispatchEvent(event);
}"""


@pytest.mark.parametrize(("kind", "place"), [("drop", "#photo-drop"), ("paste", "body")])
def test_a_photo_dropped_or_pasted_is_read_with_its_boxes(opened: Open, kind: str, place: str) -> None:
    import base64

    page = opened("read")
    raw = base64.b64encode((ROOT / "samples" / "note.jpg").read_bytes()).decode()
    page.evaluate(DROP, [place, kind, f"{HOSTILE}.jpg", raw])
    expect(page.locator("#photo-text")).to_contain_text("written by a program")
    assert page.locator("#photo-view .box").count() == page.locator("#photo-text .ch").count()
    page.locator("#photo-text .ch").first.hover()
    assert page.locator("#photo-view .box.current").count() == 1
    expect(page.locator("#photo-status")).to_contain_text(HOSTILE)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download JSON").click()
    assert json.loads(Path(download.value.path()).read_text())["schema"] == "seqdl.ocr.answer/1"


def asked(server: str, query: str, fasta: str) -> str:
    """The service's own answer."""
    headers = {"Content-Type": "text/x-fasta"}
    request = urllib.request.Request(f"{server}/v1/scan?{query}", fasta.encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.read().decode()


def downloaded(page: Any, name: str) -> str:
    with page.expect_download() as download:
        page.get_by_role("button", name=name, exact=True).click()
    return Path(download.value.path()).read_text()


def test_sites_are_found_drawn_sorted_and_downloaded(opened: Open, server: str) -> None:
    page = opened("scan")
    scan(page)
    fasta = page.get_by_label("Sequences (FASTA)").input_value()
    rows = page.locator("#hits tbody tr")
    assert page.locator("#tracks .hit").count() == rows.count() > 10
    assert downloaded(page, "BED") == asked(server, "format=bed", fasta)
    assert len(downloaded(page, "JSON").splitlines()) == rows.count()
    page.get_by_role("button", name="Probability").click()
    expect(page.locator("#hits th[aria-sort=ascending]")).to_have_text("Probability")
    shown = [float(text) for text in page.locator("#hits tbody td:last-child").all_inner_texts()]
    assert shown == sorted(shown)


def test_words_are_found_with_their_logo(opened: Open, server: str) -> None:
    page = opened("scan")
    page.get_by_role("radio", name="words").check()
    scan(page)
    fasta = page.get_by_label("Sequences (FASTA)").input_value()
    assert downloaded(page, "BED") == asked(server, "consensus=TATAWAW&thresh=1e-3&format=bed", fasta)
    header, *rows = downloaded(page, "TSV").splitlines()
    expected = asked(server, "consensus=TATAWAW&thresh=1e-3&format=tsv", fasta).splitlines()
    assert header == expected[0]
    assert [row.split("\t")[:6] for row in rows] == [row.split("\t")[:6] for row in expected[1:]]
    assert "A at 2" in page.locator("#logo svg").get_attribute("aria-label")


def test_a_motif_file_is_used(opened: Open) -> None:
    page = opened("scan")
    page.get_by_role("radio", name="motifs").check()
    page.set_input_files("#motif-file", ROOT / "samples" / "tata.jaspar")
    page.set_input_files("#fasta-file", ROOT / "samples" / "genes.fa")
    page.get_by_role("button", name="Scan", exact=True).click()
    expect(page.locator("#scan-legend")).to_contain_text("TATA")


def test_a_track_zooms_and_a_row_leads_to_its_hit(opened: Open) -> None:
    page = opened("scan")
    scan(page)
    page.get_by_role("button", name="Zoom in, made1").click()
    expect(page.get_by_role("region", name="Sequence made1")).to_contain_text("of 1,370")
    page.locator("#hits tbody button").nth(8).click()
    expect(page.locator("#tracks .letter").first).to_be_visible()
    assert page.locator("#tracks .hit.current").count() == 1
    picture(page, "zoomed-1280-light")


def test_hostile_names_stay_text(opened: Open) -> None:
    page = opened("scan")
    page.get_by_role("button", name="Example").click()
    fasta = page.get_by_label("Sequences (FASTA)").input_value()
    scan(page, fasta.replace(">made1", f">{HOSTILE}"))
    expect(page.locator("#tracks h3").first).to_have_text(HOSTILE)
    expect(page.locator("#hits tbody td").first).to_have_text(HOSTILE)
    page.get_by_role("tab", name="Write").click()
    write(page, HOSTILE)
    expect(page.locator("#written .prompt")).to_have_text(HOSTILE)
    assert page.locator("main img").count() == 0


def test_cut_off_from_the_server_the_page_says_so_and_stays_whole(opened: Open) -> None:
    page = opened(expected="ERR_INTERNET_DISCONNECTED")
    page.context.set_offline(True)
    page.get_by_role("button", name="Write", exact=True).click()
    expect(page.locator("#write-problem")).to_contain_text("cannot be reached")
    picture(page, "offline-1280-light")
    page.get_by_role("tab", name="Read").click()
    draw(page, [(0.5, 0.2), (0.5, 0.8)])
    expect(page.locator("#read-problem")).to_contain_text("cannot be reached")
    page.set_input_files("#photo-file", ROOT / "samples" / "note.jpg")
    expect(page.locator("#photo-problem")).to_contain_text("cannot be reached")
    page.get_by_role("tab", name="Scan").click()
    page.get_by_role("button", name="Example").click()
    page.get_by_role("button", name="Scan", exact=True).click()
    expect(page.locator("#scan-problem")).to_contain_text("cannot be reached")
    page.context.set_offline(False)
    page.get_by_role("button", name="Scan", exact=True).click()
    expect(page.locator("#scan-problem")).to_be_empty()
    expect(page.locator("#scan-status")).to_contain_text("hits")


def error_body(message: str) -> str:
    return json.dumps({"error": {"message": message, "type": "x", "param": None, "code": "x"}})


@pytest.mark.parametrize(
    ("status", "headers", "words"),
    [
        (429, {"Retry-After": "7"}, "Try again in 7 seconds"),
        (503, {}, "Try again in a moment"),
        (413, {}, "Too much."),
    ],
)
def test_errors_are_told_in_words(opened: Open, status: int, headers: dict[str, str], words: str) -> None:
    page = opened(expected=str(status))
    page.route("**/v1/completions", lambda r: r.fulfill(status=status, headers=headers, body=error_body("too much")))
    page.get_by_role("button", name="Write", exact=True).click()
    expect(page.locator("#write-problem")).to_contain_text(words)
    expect(page.get_by_role("button", name="Write", exact=True)).to_be_enabled()


def test_a_stream_that_breaks_off_is_not_taken_for_whole(opened: Open) -> None:
    page = opened()
    event = json.dumps({"seed": 1, "choices": [{"index": 0, "text": "To b", "finish_reason": None, "logprobs": None}]})
    page.route("**/v1/completions", lambda r: r.fulfill(content_type="text/event-stream", body=f"data: {event}\n\n"))
    page.get_by_role("button", name="Write", exact=True).click()
    expect(page.locator("#write-problem")).to_contain_text("broke off")
    expect(page.locator("#written")).to_contain_text("To b")


def test_a_server_with_a_key_is_asked_with_it(opened: Open) -> None:
    page = opened(expected="401")
    shown: list[str | None] = []

    def guard(route: Any) -> None:
        shown.append(route.request.headers.get("authorization"))
        if shown[-1] == "Bearer sesame":
            route.continue_()
        else:
            route.fulfill(status=401, body=error_body("a key is needed"))

    page.route("**/v1/completions", guard)
    page.get_by_role("button", name="Write", exact=True).click()
    page.get_by_label("Key", exact=True).fill("sesame")
    page.get_by_role("button", name="Use it").click()
    expect(page.locator("#write-status")).to_contain_text("400 characters")
    assert shown == [None, "Bearer sesame"]


def test_a_character_of_several_bytes_is_one(opened: Open) -> None:
    page = opened()
    symbols = ["a", "bytes:\\xe2", "bytes:\\x82", "bytes:\\xac"]
    logprobs = {"tokens": symbols, "token_logprobs": [-1.0] * 4, "top_logprobs": [{}] * 4, "text_offset": [0, 1, 1, 1]}
    choice = {"index": 0, "text": "a€", "finish_reason": "length", "logprobs": logprobs}
    body = f"data: {json.dumps({'seed': 1, 'choices': [choice]})}\n\ndata: [DONE]\n\n"
    page.route("**/v1/completions", lambda r: r.fulfill(content_type="text/event-stream", body=body))
    page.get_by_role("button", name="Write", exact=True).click()
    expect(page.locator("#written .ch")).to_have_text(["a", "€"])
    page.locator("#written .ch").nth(1).hover()
    expect(page.locator("#write .panel")).to_contain_text("4.3 bits")


def test_the_theme_is_chosen_and_kept(opened: Open) -> None:
    page = opened()
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    button = page.locator("#theme")
    button.click()
    button.click()
    expect(button).to_have_text("Theme: dark")
    page.reload()
    expect(button).to_have_text("Theme: dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light


def test_models_are_chosen_where_there_are_several(opened: Open) -> None:
    page = opened("read")
    chooser = page.locator("#model")
    assert chooser.input_value() == "alphanumeric"
    chooser.select_option("digits")
    draw(page, [(0.5, 0.15), (0.5, 0.85)])
    expect(page.locator("#reading-verdict .sign")).to_have_text("1")
