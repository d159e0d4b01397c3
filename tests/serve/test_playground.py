"""The playground in a real browser, on a real server of a tiny model; nothing else is reached."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from browsers import needs_browser
from served import STRENGTH, Served, chat_model, monitor_for, running, service_for
from tiny import vector_for
from trimtab.serve.playground import _export_folders
from trimtab.serve.steering._vector_sources import RecommendedPush
from trimtab.serve.steering.vector_library import NamedVector, VectorLibrary
from trimtab.steering import SteeringSetting

pytestmark = needs_browser

EVIL = "<img src=x onerror=\"document.title='taken over'\"></script>"
MEASURED: dict[str, Any] = {
    "effect": {"measure": "judged replies", "unit": "points", "change": 4.2, "low": 2.9, "high": 5.4},
    "prompts": 12,
    "held_out": True,
    "statement": "cheerful: replies change by 4.2.",
    "description": "Answers in good spirits.",
    "doses": [
        {"layers": [1], "scale": "relative", "strength": sign * strength, "kl": kl}
        for sign in (1, -1)
        for strength, kl in ((0.3, 0.09), (0.6, 0.36), (0.9, 0.81))
    ],
    "coherence": [{"layers": [1], "direction": 1, "usable": 0.6, "largest": 0.9, "floor": 6.0}],
    "findings": [
        {"measure": "side effects", "kind": "caution", "use": "costs", "decisive": True, "text": EVIL},
        {"measure": "random directions", "kind": "negative", "use": "certainty", "decisive": True,
         "text": "cheerful: a random push does as much."},
    ],
    "checked": ["scores", "side_effects"],
}  # fmt: skip


def measured_library(model: Any) -> VectorLibrary:
    """`cheerful` with doses 0.09, 0.36 and 0.81 nats at 0.3, 0.6 and 0.9; `raw` without any measurement."""
    vector = vector_for(model.backbone)
    use = RecommendedPush((1,), STRENGTH, SteeringSetting())
    return VectorLibrary(
        [NamedVector("cheerful", vector, use, MEASURED, ("only 12 prompts",)), NamedVector("raw", -vector)]
    )


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    model = chat_model()
    options = {"library": measured_library(model), "monitors": {"kind": monitor_for(model)}, "make_vectors": True,
               "gives_weights": True}  # fmt: skip
    with running(service_for(model, **options)) as found:
        yield found


@contextmanager
def opened(browser: Any, address: str, width: int = 1300, scheme: str = "light", **options: Any) -> Iterator[Any]:
    """The page when it is ready; at the end nothing was logged, and nobody but the server was asked."""
    context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme, **options)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    tab = context.new_page()
    said: list[str] = []
    asked: list[str] = []
    tab.on("console", lambda message: said.append(message.text))
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto(address)
    tab.wait_for_selector("html[data-ready=yes]")
    try:
        yield tab
        assert said == []
        origin = address.partition("#")[0].rstrip("/")
        assert asked
        assert not [url for url in asked if not url.startswith(f"{origin}/")]
    finally:
        context.close()


def ask(tab: Any, message: str = "Hello") -> None:
    tab.fill("#message", message)
    tab.press("#message", "Enter")
    written(tab)


def written(tab: Any) -> None:
    tab.wait_for_selector("html[data-running=no] .turn:last-child .reply .text:not(:empty)")


def replies(tab: Any) -> list[str]:
    """Of the last turn."""
    return [one.text_content() for one in tab.locator(".turn:last-child .reply .text").all()]


def card(tab: Any, place: int) -> Any:
    return tab.locator(".card").nth(place)


def slide(tab: Any, place: int, key: str, times: int = 1) -> None:
    handle = card(tab, place).locator("input[type=range]")
    handle.focus()
    for _ in range(times):
        handle.press(key)


def draw(tab: Any, **fields: Any) -> None:
    """Temperature, seed, tokens."""
    if not tab.locator(".drawing").evaluate("fold => fold.open"):
        tab.click(".drawing summary")
    for name, value in fields.items():
        tab.fill(f"#{name}", str(value))


def api(served: Served, path: str = "/v1/chat/completions", **body: Any) -> Any:
    with served.client() as http:
        found = http.post(path, json={"messages": [{"role": "user", "content": "Hello"}], **body})
    assert found.status_code == 200, found.text
    return found.json()


def text_of(answer: Any) -> str:
    return answer["choices"][0]["message"]["content"]


def test_columns_answer_with_the_settings_of_their_sliders_and_the_same_seed(browser: Any, served: Served) -> None:
    with opened(browser, served.address) as tab:
        draw(tab, temperature=0.8, seed=7, tokens=16)
        assert card(tab, 1).locator("h3").inner_text().split("\n")[-1] == "cheerful +0.36 nats"
        tab.click("#add-steered")
        number = card(tab, 2).locator("input[type=number]")
        number.fill("-0.81")
        tab.click("#add-asking")
        assert card(tab, 3).locator("textarea").input_value().endswith("Answers in good spirits.")
        ask(tab)
        drawing: dict[str, Any] = {"temperature": 0.8, "seed": 7, "max_tokens": 16}
        plain = text_of(api(served, **drawing))
        steered = [
            text_of(api(served, steering={"vector": "cheerful", "layers": [1], "strength": strength}, **drawing))
            for strength in (STRENGTH, -0.9)
        ]
        prompt = card(tab, 3).locator("textarea").input_value()
        messages = [{"role": "system", "content": prompt}, {"role": "user", "content": "Hello"}]
        assert replies(tab) == [plain, *steered, text_of(api(served, messages=messages, **drawing))]
        assert len(set(replies(tab))) == 4


def test_a_slider_is_in_nats_and_says_what_is_known_where_it_stands(browser: Any, served: Served) -> None:
    with opened(browser, served.address) as tab:
        handle, state = card(tab, 1).locator("input[type=range]"), card(tab, 1).locator(".state")
        assert state.inner_text() == "the recommended setting"
        slide(tab, 1, "ArrowLeft", 3)
        assert state.inner_text() == "within the measured range"
        assert "nats, within the measured range" in handle.get_attribute("aria-valuetext")
        card(tab, 1).locator("input[type=number]").fill("0.7")
        assert state.inner_text() == "replies fell below a coherence of 6 here"
        slide(tab, 1, "End")
        assert state.inner_text() == "not measured: beyond what the run tried"
        slide(tab, 1, "Home")
        assert "-" not in state.inner_text()
        card(tab, 1).get_by_role("button", name="back to recommended").click()
        assert state.inner_text() == "the recommended setting"
        tab.check("[name=unit][value=strength]")
        assert float(card(tab, 1).locator("input[type=number]").input_value()) == STRENGTH
        assert card(tab, 1).locator(".track .recommended").count() == 1
        card(tab, 1).locator("select").first.select_option("raw")
        tab.check("[name=unit][value=nats]")
        assert "No dose in nats is known" in card(tab, 1).inner_text()
        assert state.inner_text() == "not measured at this layer"


def test_checks_stand_beside_the_slider_as_they_are_and_unmeasured_vectors_say_so(browser: Any, served: Served) -> None:
    with opened(browser, served.address) as tab:
        card(tab, 1).locator(".checks summary").click()
        found = card(tab, 1).locator(".checks").inner_text()
        assert "4.2 points" in found
        assert "2.9 to 5.4" in found
        assert EVIL in found
        assert "a random push does as much" in found
        assert found.count("not checked") == 3
        assert "only 12 prompts" in found
        card(tab, 1).locator("select").first.select_option("raw")
        assert "not checked: nothing was measured" in card(tab, 1).locator(".checks").inner_text()
        assert tab.title() != "taken over"


def test_words_that_differ_are_marked_and_only_they(browser: Any, served: Served) -> None:
    plain, steered = ["one ", "two  three", " four"], "one five  three four six"

    def answer(route: Any) -> None:
        lines = [{"column": 0, "text": "".join(plain), "tokens": 4, "finish_reason": "stop"},
                 {"column": 1, "text": steered, "tokens": 4, "finish_reason": "stop"}]  # fmt: skip
        body = "".join(f"data: {json.dumps(line)}\n\n" for line in lines) + "data: [DONE]\n\n"
        route.fulfill(status=200, content_type="text/event-stream", body=body)

    with opened(browser, served.address) as tab:
        tab.route("**/v1/steering/replies", answer)
        ask(tab)
        assert tab.locator(".reply").nth(1).locator("mark").all_inner_texts() == ["five", "six"]
        assert replies(tab) == ["".join(plain), steered]
        assert tab.locator(".reply").first.locator("mark").count() == 0


def test_tokens_are_coloured_by_nats_and_show_what_was_likely(browser: Any, served: Served) -> None:
    with opened(browser, served.address) as tab:
        draw(tab, temperature=0, tokens=10)
        ask(tab)
        before = replies(tab)
        with tab.expect_request(lambda sent: "compare" in sent.url and "steering" in sent.post_data_json) as sent:
            tab.select_option("#view", "kl")
        tab.wait_for_selector(".reply:nth-child(2) .tokens")
        asked = sent.value.post_data_json
        assert [asked["reply"], len(asked["reply_tokens"])] == [before[1], 10]
        # The space at a text's end is no part of it, but is a token.
        assert all(shown.startswith(text) for shown, text in zip(replies(tab), before, strict=True))
        steering = {"vector": "cheerful", "layers": [1], "strength": STRENGTH}
        found = api(
            served, "/v1/steering/compare", reply=before[1], reply_tokens=asked["reply_tokens"], steering=steering
        )
        tokens = tab.locator(".reply:nth-child(2) .t")
        assert tokens.count() == len(found["tokens"])
        heats = [float(one.evaluate("t => t.style.getPropertyValue('--heat')").rstrip("%")) for one in tokens.all()]
        nats = [one["kl"] for one in found["tokens"]]
        assert max(range(len(heats)), key=heats.__getitem__) == max(range(len(nats)), key=nats.__getitem__)
        tokens.first.focus()
        tab.keyboard.press("ArrowRight")
        shown = tab.locator("#token-card").inner_text()
        assert f"{nats[1]:.2f}".rstrip("0").rstrip(".") in shown
        assert tab.locator("#token-card ol").nth(1).locator("li").count() == 5
        tab.keyboard.press("Escape")
        assert not tab.locator("#token-card").is_visible()
        assert tab.locator(".reply:nth-child(1) .note").inner_text() == "0 nats: nothing moves it"
        tab.select_option("#view", "monitor:kind")
        tab.wait_for_selector(".reply:nth-child(2) .tokens")
        assert "for the whole reply" in tab.locator(".reply:nth-child(2) .note").inner_text()


def test_a_link_opens_the_same_page_elsewhere(browser: Any, served: Served) -> None:
    with opened(browser, served.address) as tab:
        draw(tab, temperature=0.8, seed=11, tokens=12, system="Be brief.")
        tab.click("#add-steered")
        ask(tab)
        ask(tab, "And now?")
        slide(tab, 1, "ArrowLeft", 4)
        tab.select_option("#view", "plain")
        tab.click("#copy-link")
        tab.get_by_text("copied").wait_for()
        link = tab.evaluate("navigator.clipboard.readText()")
        said = tab.locator("#turns").inner_text()
        numbers = [one.input_value() for one in tab.locator(".card input[type=number]").all()]
    assert link.startswith(f"{served.address}/#s=")
    with opened(browser, link) as tab:
        assert tab.locator("#turns").inner_text() == said
        assert [one.input_value() for one in tab.locator(".card input[type=number]").all()] == numbers
        assert tab.locator("#view").input_value() == "plain"
        draw(tab)
        assert [tab.locator(f"#{name}").input_value() for name in ("temperature", "seed", "tokens", "system")] == [
            "0.8", "11", "12", "Be brief.",
        ]  # fmt: skip
        assert not tab.locator("#notice").is_visible()


def test_positions_are_chosen_for_each_column_and_travel_in_the_link(browser: Any, served: Served) -> None:
    with opened(browser, served.address) as tab:
        draw(tab, temperature=0, tokens=8)
        tab.click("#add-steered")
        boxes = tab.locator(".positions input")
        assert [one.input_value() for one in boxes.all()] == ["all", "all"]
        boxes.nth(1).fill("after:4")
        boxes.nth(1).press("Enter")
        assert "after:4" in card(tab, 2).locator("h3").inner_text()
        with tab.expect_request("**/v1/steering/replies") as asked:
            ask(tab)
        columns = asked.value.post_data_json["columns"]
        assert [one.get("steering", {}).get("positions") for one in columns] == [None, "all", "after:4"]
        plain, _, late = replies(tab)
        assert late[:3] == plain[:3], "nothing is pushed before the fifth token"
        tab.click("#copy-link")
        tab.get_by_text("copied").wait_for()
        link = tab.evaluate("navigator.clipboard.readText()")
        boxes.nth(1).fill("sometimes")
        boxes.nth(1).press("Enter")
        tab.wait_for_selector(".positions input[aria-invalid=true]")
        assert "sometimes" in tab.locator(".positions .hint").nth(1).inner_text()
    with opened(browser, link) as tab:
        assert [one.input_value() for one in tab.locator(".positions input").all()] == ["all", "after:4"]


def test_a_conversation_too_long_for_a_link_is_refused_in_words(browser: Any, served: Served) -> None:
    with opened(browser, served.address) as tab:
        # Texts that cannot be packed: what is too long for a link would else have to be very long.
        tab.evaluate(
            """async () => {
              const { state } = await import("/playground/state.js");
              const bytes = crypto.getRandomValues(new Uint8Array(40000));
              state.system = Array.from(bytes, (one) => one.toString(36)).join("");
            }"""
        )
        tab.click("#copy-link")
        tab.wait_for_selector("#notice:not([hidden])")
        assert "characters" in tab.locator("#notice").inner_text()
        assert "#s=" not in tab.url


def test_a_link_says_which_vectors_another_server_lacks(browser: Any, served: Served) -> None:
    with opened(browser, served.address) as tab:
        tab.click("#add-steered")
        card(tab, 2).locator("select").first.select_option("raw")
        tab.click("#copy-link")
        tab.get_by_text("copied").wait_for()
        fragment = tab.evaluate("navigator.clipboard.readText()").partition("#")[2]
    model = chat_model()
    other = VectorLibrary([NamedVector("cheerful", 2.5 * vector_for(model.backbone))])
    with running(service_for(model, library=other)) as elsewhere, opened(
        browser, f"{elsewhere.address}/#{fragment}"
    ) as tab:  # fmt: skip
        said = tab.locator("#notice").inner_text()
        assert "vector cheerful of this server differs" in said
        assert "no vector raw" in said
        assert "weights" not in said
        assert card(tab, 2).locator(".row.missing").count() == 1


@pytest.mark.parametrize("fragment", ["s=AAAA", "s=q1YqU7Iy1FFQKlOyMqwFAA", "s=" + "A" * 4000])
def test_a_link_that_is_none_of_this_page_begins_anew(browser: Any, served: Served, fragment: str) -> None:
    with opened(browser, f"{served.address}/#{fragment}") as tab:
        assert "cannot be read" in tab.locator("#notice").inner_text()
        assert tab.locator(".card").count() == 2


def test_a_turn_is_retried_and_edited_as_a_branch_and_all_are_listed(browser: Any, served: Served) -> None:
    with opened(browser, served.address) as tab:
        draw(tab, temperature=0.8, seed=3, tokens=10)
        ask(tab)
        first = replies(tab)
        slide(tab, 1, "ArrowLeft", 20)
        assert "an earlier setting" in tab.locator(".reply").nth(1).locator(".note").inner_text()
        tab.get_by_role("button", name="retry").click()
        written(tab)
        second = replies(tab)
        assert second[0] == first[0], "the unsteered column was asked for nothing else"
        assert second[1] != first[1]
        assert tab.locator(".ways").inner_text().split("\n")[1:2] == ["2 of 2"]
        tab.get_by_role("button", name="edit").click()
        tab.get_by_label("the message, changed").fill("Good bye")
        tab.get_by_role("button", name="send as a branch").click()
        written(tab)
        assert tab.locator(".message").inner_text() == "Good bye"
        tab.click("#branches summary")
        assert tab.locator("#branch-list li").count() == 3
        tab.locator("#branch-list button").first.click()
        assert replies(tab) == first
        tab.get_by_label("next branch").click()
        assert replies(tab) == second
        tab.get_by_role("button", name="retry").click()
        written(tab)
        assert tab.locator("#seed").input_value() == "4", "nothing else had changed"
        assert tab.locator("#branch-list li").count() == 4


def test_code_asks_for_the_same(browser: Any, served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    with opened(browser, served.address) as tab:
        draw(tab, temperature=0, tokens=8)
        ask(tab, "It's me")
        tab.click("#open-code")
        code = tab.locator("#code")
        curl = code.inner_text()
        body = json.loads(curl.partition("-d '")[2].removesuffix("'").replace("'\\''", "'"))
        assert text_of(api(served, **body)) == replies(tab)[1]
        tab.select_option("#code-way", "Python, OpenAI's client")
        openai = code.inner_text()
        compile(openai, "openai", "exec")
        assert f'base_url="{served.address}/v1"' in openai
        tab.select_option("#code-way", "Python, trimtab")
        own = code.inner_text()
        vector = served.service.library.get("cheerful").vector
        loaded = SimpleNamespace(load=lambda name: vector if name == "cheerful.safetensors" else served.model)
        capsys.readouterr()
        exec(own.replace("import trimtab", ""), {"trimtab": SimpleNamespace(load=loaded.load, SteeringVector=loaded)})
        assert capsys.readouterr().out.strip() == replies(tab)[1].strip()
        tab.select_option("#code-way", "trimtab chat")
        assert "--layer 1 --strength 0.6" in code.inner_text()


def test_what_pushes_always_says_so_where_a_condition_is_recommended(browser: Any) -> None:
    model = chat_model()
    monitor = monitor_for(model)
    use = RecommendedPush((1,), STRENGTH, SteeringSetting(gate=monitor.prompt_gate(0.5)))
    library = VectorLibrary([NamedVector("cheerful", vector_for(model.backbone), use)], {"kind": monitor})
    with running(service_for(model, library=library)) as other, opened(browser, other.address) as tab:
        tab.click("#open-code")
        words = "cheerful is pushed only where the prompt scores above 0.5 for kind"
        for way, missing in (("Python, trimtab", "prompt_gate("), ("trimtab chat", "--when FILE")):
            tab.select_option("#code-way", way)
            first, _, rest = tab.locator("#code").inner_text().partition("\n")
            assert first.startswith(f"# On this server {words}")
            assert missing in first
            assert rest.startswith(("import trimtab", "trimtab chat"))
        tab.select_option("#code-way", "curl")
        assert "#" not in tab.locator("#code").inner_text(), "the server adds the condition itself"
        assert words in tab.locator("#losses").inner_text()
        disabled = {name: tab.locator(f"#{name}").is_disabled() for name in ("gguf", "export-model", "export-folder")}
        assert disabled == {"gguf": True, "export-model": True, "export-folder": False}
        tab.select_option("#code-column", index=0)
        assert tab.locator("#losses").inner_text() == ""


def test_a_setting_is_downloaded_as_gguf(browser: Any, served: Served) -> None:
    with opened(browser, served.address) as tab:
        tab.click("#open-code")
        with tab.expect_download() as download:
            tab.click("#gguf")
        assert download.value.suggested_filename == "cheerful.gguf"
        assert "relative strength became one length" in tab.locator("#losses").inner_text()
        tab.select_option("#code-column", index=0)
        assert tab.locator("#gguf").is_disabled()


@pytest.mark.parametrize(("button", "name", "holds"), [
    ("export-folder", "cheerful-vector", "steering.json"), ("export-model", "tiny-llama-cheerful", "model.safetensors"),
])  # fmt: skip
def test_a_setting_is_downloaded_as_a_folder_for_the_hub_and_as_a_model(
    browser: Any, served: Served, button: str, name: str, holds: str
) -> None:
    with opened(browser, served.address) as tab:
        tab.click("#open-code")
        with tab.expect_download() as download:
            tab.click(f"#{button}")
        assert download.value.suggested_filename == f"{name}.zip"
        with zipfile.ZipFile(download.value.path()) as archive:
            assert {f"{name}/README.md", f"{name}/{holds}"} <= set(archive.namelist())
        assert "README.md" in tab.locator("#losses").inner_text()
        assert tab.locator(f"#{button}").is_enabled()
        tab.select_option("#code-column", index=0)
        assert tab.locator(f"#{button}").is_disabled()


def test_a_model_that_is_too_large_to_send_is_a_command_to_copy(
    browser: Any, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_export_folders, "MAX_BAKED_BYTES", 1000)
    context = browser.new_context()
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    tab = context.new_page()
    tab.goto(served.address)
    tab.wait_for_selector("html[data-ready=yes]")
    tab.click("#open-code")
    tab.click("#export-model")
    tab.locator("#losses .error").wait_for()
    assert "1,000 are the most" in tab.locator("#losses").inner_text()
    tab.click("#copy-code")
    tab.get_by_text("copied").wait_for()
    command = tab.evaluate("navigator.clipboard.readText()")
    assert command.startswith(
        "trimtab bake --model tiny-llama --vectors cheerful.safetensors --layer 1 --strength 0.6 "
    )
    context.close()


def test_a_vector_is_made_from_typed_pairs_and_marked_as_unchecked(browser: Any, served: Served) -> None:
    with opened(browser, served.address) as tab:
        tab.click("#open-make")
        tab.fill("#make-name", "typed")
        for number in range(2):
            for name in ("prompt", "positive", "negative"):
                tab.locator(".pair").nth(number).locator(f"[name={name}]").fill(f"{name} {number}")
        tab.click("#make")
        card(tab, 2).wait_for()
        assert card(tab, 2).locator("select").first.input_value() == "typed"
        assert "not checked" in card(tab, 2).locator(".checks summary").inner_text()
        card(tab, 2).locator(".checks summary").click()
        assert "unchecked" in card(tab, 2).locator(".found").inner_text()
        draw(tab, temperature=0, tokens=6)
        ask(tab)
        assert len(replies(tab)) == 3


def test_everything_can_be_done_by_keyboard(browser: Any, served: Served) -> None:
    with opened(browser, served.address) as tab:
        reached = []
        for _ in range(40):
            tab.keyboard.press("Tab")
            name, outline = tab.evaluate(
                "() => { const e = document.activeElement, s = getComputedStyle(e);"
                " return [e.id || e.textContent.trim() || e.getAttribute('aria-label'), s.outlineStyle]; }"
            )
            assert outline != "none", name
            reached.append(name)
            if name == "message":
                break
        assert {"copy-link", "add-steered", "cheerful, push in nats"} <= set(reached)
        tab.keyboard.type("Hello")
        tab.keyboard.press("Enter")
        written(tab)
        assert all(replies(tab))


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1300, "dark")])
def test_the_page_fits_and_shuts_nobody_out(browser: Any, served: Served, width: int, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    with opened(browser, served.address, width, scheme) as tab:
        draw(tab, temperature=0, tokens=24)
        tab.click("#add-steered")
        tab.click("#add-asking")
        ask(tab, "Pneumonoultramicroscopicsilicovolcanoconiosis" * 2)
        tab.select_option("#view", "kl")
        tab.wait_for_selector(".reply:nth-child(4) .tokens")
        for fold in tab.locator("summary").all():
            if fold.is_visible() and not fold.evaluate("s => s.parentElement.open"):
                fold.click()
        tab.locator(".reply:nth-child(2) .t").first.focus()
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        found = axe.Axe().run(tab)
        assert found.violations_count == 0, found.generate_report()


def test_a_server_with_a_key_lets_the_page_in_with_it_only(browser: Any) -> None:
    key = "a key of more than sixteen"
    model = chat_model()
    with running(service_for(model, library=measured_library(model)), key=key) as locked:
        with locked.client() as http:
            assert http.get("/").status_code == http.get("/playground/main.js").status_code == 200
            assert http.get("/v1/steering/vectors").status_code == 401
            assert http.post("/v1/steering/compare", json={}).status_code == 401
        context = browser.new_context()
        tab = context.new_page()
        tab.goto(locked.address)
        for attempt in ("wrong key that is long", key):
            tab.locator("#key-dialog[open]").wait_for()
            tab.fill("#key", attempt)
            tab.press("#key", "Enter")
        tab.wait_for_selector("html[data-ready=yes]")
        ask(tab)
        tab.click("#copy-link")
        tab.wait_for_url("**/#s=*")
        assert key not in tab.url
        context.close()


def test_the_page_lets_nothing_else_in(served: Served) -> None:
    with served.client() as http:
        page = http.get("/")
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy
        assert "style=" not in page.text
        assert page.text.count("<script") == page.text.count('src="/playground/') == 1
        for name in ("../page_files.py", "..%2fpage_files.py", "nothing.js", "index.html.bak"):
            assert http.get(f"/playground/{name}").status_code == 404
