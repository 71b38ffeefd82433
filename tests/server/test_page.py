"""The page in headless Chromium, against the real server, with real uploads."""

import io
import json
import pathlib
import re
import subprocess
import urllib.error
import urllib.parse
import urllib.request

import pytest
from axe_playwright_python.sync_playwright import Axe
from page_browser import Watched, chromium, finished, job_card
from PIL import Image
from playwright.sync_api import expect

ROOT = pathlib.Path(__file__).resolve().parents[2]
PHOTO = ROOT / "samples/butterfly.png"
SMALL = ROOT / "samples/badge.png"
CLIP = ROOT / "samples/crystal.mp4"


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def signed_in(browser, server):
    """The cookies of a browser that has opened the one-time link."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(server.link)
    expect(page.locator("#app")).to_be_visible()
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def open_page(browser, server, signed_in):
    watched = []

    def opened(**settings):
        settings.setdefault("viewport", {"width": 1280, "height": 800})
        context = browser.new_context(storage_state=signed_in, **settings)
        each = Watched(context, server.url)
        watched.append((context, each))
        each.page.goto(server.url + "/")
        expect(each.page.locator("#app")).to_be_visible()
        return each.page

    yield opened
    for context, each in watched:
        context.close()
        each.check()


def api(server, path, method="GET"):
    request = urllib.request.Request(server.url + path, headers={"X-Session-Key": server.key}, method=method)
    with urllib.request.urlopen(request) as answer:
        return answer.read()


@pytest.fixture(autouse=True)
def no_jobs(server):
    """Each test finds an empty queue."""
    for job in json.loads(api(server, "/v1/jobs"))["jobs"]:
        api(server, f"/v1/jobs/{job['id']}", "DELETE")


def upscale(page, *files):
    page.set_input_files("#files", files)
    page.locator("#start").click()


def axe_faults(page):
    found = Axe().run(page).response["violations"]
    return [f"{fault['id']}: {node['html'][:120]}" for fault in found for node in fault["nodes"]]


def colour(page):
    return page.evaluate("() => getComputedStyle(document.body).backgroundColor")


def scrolls_sideways(page):
    return page.evaluate("() => document.documentElement.scrollWidth > document.documentElement.clientWidth")


def natural_size(page, layer):
    return page.locator(f"{layer} img").evaluate("image => [image.naturalWidth, image.naturalHeight]")


def job_of(server, name):
    """The newest job of this name, as the API has it."""
    return next(job for job in json.loads(api(server, "/v1/jobs"))["jobs"] if job["input"]["name"] == name)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Eight frames of the sample, in its size."""
    path = tmp_path_factory.mktemp("clips") / "short.mp4"
    cut = ["ffmpeg", "-v", "error", "-i", CLIP, "-frames:v", "8", "-c:v", "libx264", "-crf", "20", "-c:a", "copy", path]
    subprocess.run(cut, check=True)
    return path


def test_photo_from_choosing_to_download(open_page, server):
    page = open_page()
    page.locator("[name=model]").select_option("pipersr-x2-fast")
    page.set_input_files("#files", [PHOTO])
    expect(page.locator("#ready li.job")).to_have_count(1)
    expect(page.locator("#start")).to_have_text("Upscale 1 file")
    page.locator("#start").click()
    card = job_card(page, "butterfly.png")
    expect(card.locator("progress")).to_be_visible()
    finished(page, "butterfly.png")
    expect(card).to_contain_text("910 × 1280")

    with page.expect_download() as download:
        card.get_by_role("link", name="Download").click()
    saved = pathlib.Path(download.value.path()).read_bytes()
    result = job_of(server, "butterfly.png")["result"]
    assert download.value.suggested_filename == result["name"] == "butterfly_2x.png"
    assert saved == api(server, result["url"])
    assert Image.open(io.BytesIO(saved)).size == (910, 1280)

    card.get_by_role("button", name="Compare").click()
    expect(page.locator("#stage")).to_have_class(re.compile("shown"))
    assert natural_size(page, "#layer-before") == [455, 640]
    assert natural_size(page, "#layer-after") == [910, 1280]
    boxes = [page.locator(f"#layer-{side} img").bounding_box() for side in ("before", "after")]
    assert boxes[0] == boxes[1]
    rendering = page.locator("#layer-before img").evaluate("image => getComputedStyle(image).imageRendering")
    assert rendering == "pixelated"
    page.get_by_label("Smooth before").check()
    rendering = page.locator("#layer-before img").evaluate("image => getComputedStyle(image).imageRendering")
    assert rendering == "auto"


def shown_columns(page, left, right):
    """What the stage shows at two places of its middle row."""
    picture = Image.open(io.BytesIO(page.locator("#stage").screenshot())).convert("RGB")
    return [picture.getpixel((int(picture.width * place), picture.height // 4)) for place in (left, right)]


def test_divider_and_zoom(open_page, server, tmp_path):
    """A red "before" and a blue "after" show what the slider and the zoom do to the pixels."""
    page = open_page()
    Image.new("RGB", (64, 48), (200, 30, 30)).save(tmp_path / "red.png")
    upscale(page, tmp_path / "red.png")
    card = finished(page, "red.png")

    def blue(route):
        data = io.BytesIO()
        Image.new("RGB", (128, 96), (30, 30, 200)).save(data, "PNG")
        route.fulfill(body=data.getvalue(), content_type="image/png")

    page.route("**/result", blue)
    card.get_by_role("button", name="Compare").click()
    divider = page.locator("#divider")
    expect(divider).to_be_focused()
    expect(divider).to_have_attribute("aria-valuenow", "50")
    assert shown_columns(page, 0.45, 0.55) == [(200, 30, 30), (30, 30, 200)]
    for _ in range(10):
        divider.press("ArrowRight")
    expect(divider).to_have_attribute("aria-valuenow", "70")
    assert shown_columns(page, 0.45, 0.65) == [(200, 30, 30), (200, 30, 30)]
    divider.press("Home")
    assert shown_columns(page, 0.45, 0.55) == [(30, 30, 200), (30, 30, 200)]

    # Dragging moves the divider to where the pointer is.
    box = page.locator("#stage").bounding_box()
    page.mouse.move(box["x"] + 4, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + box["height"] / 2, steps=4)
    page.mouse.up()
    expect(divider).to_have_attribute("aria-valuenow", "60")

    level = page.locator("#zoom-level")
    page.locator("#stage").press("1")
    expect(level).to_have_text("100 %")
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.wheel(0, -400)
    expect(level).not_to_have_text("100 %")
    assert int(level.inner_text().split()[0]) > 200
    page.locator("#stage").press("0")
    expect(level).to_have_text("400 %")
    page.locator("#zoom-exact").click()
    image = page.locator("#layer-after img").bounding_box()
    assert (image["width"], image["height"]) == (128, 96)
    page.keyboard.press("Escape")
    expect(page.locator("#viewer")).to_be_hidden()
    expect(card.get_by_role("button", name="Compare")).to_be_focused()


def test_moment_of_a_video_before_and_after(open_page, server, clip):
    page = open_page()
    sent = []
    page.on("request", lambda request: request.method == "POST" and sent.append(request.url.removeprefix(server.url)))
    page.locator("[name=model]").select_option("pipersr-x2-fast")
    page.locator("summary", has_text="Videos").click()
    page.locator("[name='video.codec']").select_option("ffv1")
    page.locator("[name='video.format']").select_option("mkv")
    page.set_input_files("#files", [clip])
    job_card(page, "short.mp4").get_by_role("button", name="Preview a moment").click()
    expect(page.locator("#viewer-video")).to_be_visible()
    page.locator("#moment-seconds").fill("0.2")
    page.locator("#moment-go").click()
    expect(page.locator("#stage")).to_have_class(re.compile("shown"), timeout=60_000)
    assert natural_size(page, "#layer-before") == [320, 180]
    assert natural_size(page, "#layer-after") == [640, 360]
    promised = fetched_bytes(page, "#layer-after")
    before = fetched_bytes(page, "#layer-before")
    # Another moment, without sending the file again.
    page.locator("#moment-seconds").fill("0")
    expect(page.locator("#viewer-video")).to_be_visible()
    page.locator("#moment-go").click()
    expect(page.locator("#stage")).to_have_class(re.compile("shown"), timeout=60_000)
    assert fetched_bytes(page, "#layer-before") != before
    page.keyboard.press("Escape")

    page.locator("#start").click()
    card = finished(page, "short.mp4")
    expect(card).to_contain_text("8 frames")
    assert [url.split("?")[0] for url in sent] == ["/v1/uploads", "/v1/video/upscale"]

    # FFV1 loses nothing, so the whole job shows what the preview promised, pixel by pixel.
    card.get_by_role("button", name="Compare").click()
    expect(page.locator("#stage")).to_have_class(re.compile("shown"), timeout=60_000)
    page.locator("#moment-seconds").fill("0.2")
    page.locator("#moment-go").click()
    expect(page.locator("#stage-message")).to_be_hidden(timeout=60_000)
    expect(page.locator("#stage")).to_have_class(re.compile("shown"))
    assert fetched_bytes(page, "#layer-before") == before
    assert fetched_bytes(page, "#layer-after") == promised

    # The slider, moved by keys, asks for the moment at which it comes to rest, not for all on the way.
    asked = []
    page.on("request", lambda request: "/preview?" in request.url and asked.append(request.url))
    page.locator("#moment-range").focus()
    for _ in range(12):
        page.keyboard.press("ArrowLeft")
    expect(page.locator("#moment-seconds")).to_have_value("0.08")
    expect(page.locator("#stage")).to_have_class(re.compile("shown"), timeout=60_000)
    assert fetched_bytes(page, "#layer-before") != before
    assert len(asked) == 2 and all("t=0.08" in url for url in asked), asked


def fetched_bytes(page, layer):
    """The pixels of one side of the stage."""
    return page.locator(f"{layer} img").evaluate(
        """image => {
            const canvas = document.createElement("canvas");
            canvas.width = image.naturalWidth;
            canvas.height = image.naturalHeight;
            const context = canvas.getContext("2d");
            context.drawImage(image, 0, 0);
            return context.getImageData(0, 0, canvas.width, canvas.height).data.join();
        }"""
    )


def test_cancel_and_try_again(open_page, server):
    page = open_page()
    page.locator("[name=precision]").select_option("fp32")
    upscale(page, CLIP)
    card = job_card(page, "crystal.mp4")
    expect(card).to_contain_text(re.compile(r"frame \d+ of 60 · [\d.]+ frames/s · .* left"), timeout=60_000)
    card.get_by_role("button", name="Cancel").click()
    expect(page.locator("#finished li.job", has_text="crystal.mp4")).to_contain_text("Cancelled")
    card.get_by_role("button", name="Try again").click()
    expect(page.locator("#active li.job", has_text="crystal.mp4")).to_contain_text(re.compile("%"), timeout=60_000)
    card.get_by_role("button", name="Cancel").click()
    expect(card).to_contain_text("Cancelled")
    card.get_by_role("button", name="Remove").click()
    expect(card).to_have_count(0)
    assert all(job["input"]["name"] != "crystal.mp4" for job in json.loads(api(server, "/v1/jobs"))["jobs"])


def test_queue_survives_a_reload(open_page, server):
    page = open_page()
    page.locator("[name=precision]").select_option("fp32")
    upscale(page, CLIP, SMALL)
    running = page.locator("#active li.job", has_text="crystal.mp4")
    expect(running).to_contain_text("frame", timeout=60_000)
    expect(page.locator("#active li.job", has_text="badge.png")).to_contain_text("Waiting for its turn")
    page.reload()
    expect(running).to_contain_text("frame")
    shown = running.locator("progress").get_attribute("value")
    expect(running.locator("progress")).not_to_have_attribute("value", shown, timeout=30_000)
    expect(page.locator("[name=precision]")).to_have_value("fp32")
    # Cancelled after a reload, the file is fetched from the server to try it again.
    running.get_by_role("button", name="Cancel").click()
    finished(page, "badge.png")
    cancelled = job_card(page, "crystal.mp4")
    cancelled.get_by_role("button", name="Try again").click()
    expect(running).to_contain_text("frame", timeout=60_000)
    running.get_by_role("button", name="Cancel").click()
    expect(cancelled).to_contain_text("Cancelled")
    page.locator("#finished-clear").click()
    expect(page.locator("#finished")).to_be_hidden()
    assert json.loads(api(server, "/v1/jobs"))["total"] == 0


def test_options_reach_the_job(open_page, server):
    page = open_page()
    page.get_by_role("radio", name="4×").check(force=True)
    page.locator("summary", has_text="Photos").click()
    page.locator("[name='image.format']").select_option("webp")
    page.locator("[name='image.quality']").fill("70")
    page.locator("[name=model]").select_option("pipersr-x2-fast")
    expect(page.locator("#model-about")).to_contain_text("slow machines")
    upscale(page, SMALL)
    finished(page, "badge.png")
    job = job_of(server, "badge.png")
    assert job["options"] | {"scale": 4, "format": "webp", "quality": 70, "model": "pipersr-x2-fast"} == job["options"]
    picture = Image.open(io.BytesIO(api(server, job["result"]["url"])))
    assert picture.format == "WEBP" and picture.size == (256, 256)

    page.locator("[name='image.quality']").fill("400")
    page.set_input_files("#files", [SMALL])
    page.locator("#start").click()
    expect(page.locator("#ready li.job")).to_have_count(1)  # not started: the field is wrong
    expect(page.locator("[name='image.quality']")).to_be_focused()
    page.locator("#options-reset").click()
    expect(page.locator("[name='image.quality']")).to_have_value("")


def test_a_model_brings_its_size(open_page, server):
    page = open_page()
    two, four = (page.get_by_role("radio", name=name) for name in ("2×", "4×"))
    page.locator("[name=model]").select_option("pipersr-x4")
    expect(four).to_be_checked()
    expect(two).to_be_disabled()
    upscale(page, SMALL)
    finished(page, "badge.png")
    job = job_of(server, "badge.png")
    assert (job["options"]["scale"], job["options"]["model"]) == (4, "pipersr-x4")
    page.locator("[name=model]").select_option("")
    expect(two).to_be_enabled()
    page.locator("#options-reset").click()
    expect(two).to_be_checked()


def test_errors_stand_at_their_job(open_page, tmp_path):
    page = open_page()
    (tmp_path / "broken.png").write_bytes(PHOTO.read_bytes()[:2000])
    (tmp_path / "notes.txt").write_text("no picture")
    page.set_input_files("#files", [tmp_path / "broken.png", tmp_path / "notes.txt"])
    expect(page.locator("#banner")).to_contain_text("notes.txt")
    page.locator("#start").click()
    card = finished(page, "broken.png")
    expect(card.locator(".job-error")).to_be_visible()
    words = card.locator(".job-error").inner_text()
    assert "annot be read" in words and "{" not in words and "/" not in words
    expect(card.get_by_role("button", name="Try again")).to_be_visible()
    expect(page.locator("#announcer")).to_contain_text("broken.png")


def test_drop_paste_and_folder(open_page, tmp_path):
    page = open_page()
    transfer = page.evaluate_handle(
        """bytes => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(bytes)], "dropped.png", { type: "image/png" }));
            return transfer;
        }""",
        list(SMALL.read_bytes()),
    )
    page.dispatch_event("#drop", "dragenter", {"dataTransfer": transfer})
    expect(page.locator("body")).to_have_class("dragging")
    page.dispatch_event("#drop", "drop", {"dataTransfer": transfer})
    expect(job_card(page, "dropped.png")).to_be_visible()
    page.evaluate(
        """bytes => {
            const clipboardData = new DataTransfer();
            clipboardData.items.add(new File([new Uint8Array(bytes)], "pasted.png", { type: "image/png" }));
            dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
        }""",
        list(SMALL.read_bytes()),
    )
    expect(job_card(page, "pasted.png")).to_be_visible()
    (tmp_path / "album/inner").mkdir(parents=True)
    (tmp_path / "album/inner/deep.png").write_bytes(SMALL.read_bytes())
    (tmp_path / "album/readme.txt").write_text("left out")
    page.set_input_files("#folder", tmp_path / "album")
    expect(job_card(page, "deep.png")).to_be_visible()
    expect(page.locator("#start")).to_have_text("Upscale 3 files")
    page.locator("#ready-clear").click()
    expect(page.locator("#ready")).to_be_hidden()


def test_keyboard_alone(open_page, server):
    page = open_page()
    page.set_input_files("#files", [SMALL])  # the browser's own dialog is the only step without a key here
    seen = []
    for _ in range(40):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("() => document.activeElement.id || document.activeElement.name || ''"))
        if seen[-1] == "start":
            break
    assert ["theme", "choose-files", "choose-folder", "start"] == [name for name in seen if name in
                                                                   ("theme", "choose-files", "choose-folder", "start")]
    assert page.evaluate("() => document.activeElement.matches(':focus-visible')")
    page.keyboard.press("Enter")
    card = finished(page, "badge.png")
    card.get_by_role("button", name="Compare").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#divider")).to_be_focused()
    page.keyboard.press("End")
    expect(page.locator("#divider")).to_have_attribute("aria-valuenow", "100")
    page.keyboard.press("Shift+Tab")
    expect(page.locator("#stage")).to_be_focused()
    before = page.locator("#zoom-level").inner_text()
    page.keyboard.press("+")
    expect(page.locator("#zoom-level")).not_to_have_text(before)
    page.keyboard.press("Escape")
    expect(card.get_by_role("button", name="Compare")).to_be_focused()
    card.get_by_role("button", name="Remove").focus()
    page.keyboard.press("Enter")
    expect(card).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(open_page, scheme):
    page = open_page(color_scheme=scheme)
    assert axe_faults(page) == []
    for summary in page.locator(".more summary").all():
        summary.click()
    page.set_input_files("#files", [SMALL, CLIP])
    assert axe_faults(page) == []
    job_card(page, "crystal.mp4").get_by_role("button", name="Preview a moment").click()
    expect(page.locator("#viewer-video")).to_be_visible()
    assert axe_faults(page) == []
    page.keyboard.press("Escape")
    job_card(page, "crystal.mp4").get_by_role("button", name="Remove").click()
    page.locator("#start").click()
    finished(page, "badge.png").get_by_role("button", name="Compare").click()
    expect(page.locator("#stage")).to_have_class(re.compile("shown"))
    assert axe_faults(page) == []
    page.keyboard.press("Escape")
    assert axe_faults(page) == []


def test_axe_is_awake(open_page):
    page = open_page()
    page.evaluate("() => document.body.append(Object.assign(document.createElement('img'), { src: 'icon.svg' }))")
    assert any(fault.startswith("image-alt") for fault in axe_faults(page))


def test_phone_width(open_page):
    page = open_page(viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    expect(page.locator("#options-panel")).not_to_have_attribute("open", "")
    assert not scrolls_sideways(page)
    page.locator("#options-panel > summary").tap()
    for summary in page.locator(".more summary").all():
        summary.tap()
    assert not scrolls_sideways(page)
    page.set_input_files("#files", [SMALL, CLIP])
    assert not scrolls_sideways(page)
    job_card(page, "crystal.mp4").get_by_role("button", name="Preview a moment").tap()
    expect(page.locator("#viewer-video")).to_be_visible()
    width = page.locator("#viewer").evaluate("dialog => [dialog.scrollWidth, dialog.clientWidth]")
    assert width[0] <= width[1]
    for control in ("#moment-go", "#moment-seconds", "#viewer-close"):
        expect(page.locator(control)).to_be_in_viewport(ratio=1)
    page.locator("#viewer-close").tap()
    job_card(page, "crystal.mp4").get_by_role("button", name="Remove").tap()
    page.locator("#start").tap()
    finished(page, "badge.png").get_by_role("button", name="Compare").tap()
    expect(page.locator("#stage")).to_have_class(re.compile("shown"))
    for control in ("#zoom-out", "#zoom-in", "#zoom-fit", "#zoom-exact", "#smooth", "#viewer-download"):
        expect(page.locator(control)).to_be_in_viewport(ratio=1)
    page.locator("#viewer-close").tap()
    assert not scrolls_sideways(page)


def test_pinch(open_page):
    """Two fingers zoom about the point between them; one finger moves the picture."""
    page = open_page(viewport={"width": 400, "height": 700}, has_touch=True, is_mobile=True)
    upscale(page, SMALL)
    finished(page, "badge.png").get_by_role("button", name="Compare").tap()
    expect(page.locator("#stage")).to_have_class(re.compile("shown"))
    box = page.locator("#stage").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    touch = page.context.new_cdp_session(page)

    def fingers(kind, *places):
        points = [{"x": place[0], "y": place[1], "id": number} for number, place in enumerate(places)]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    def picture():
        return page.locator("#layer-after img").bounding_box()

    before = picture()
    # Beside the divider, which has its own meaning for a finger.
    fingers("touchStart", (x - 40, y - 60), (x - 40, y + 60))
    for step in range(1, 7):
        fingers("touchMove", (x - 40, y - 60 - 10 * step), (x - 40, y + 60 + 10 * step))
    fingers("touchEnd")
    zoomed = picture()
    assert zoomed["width"] == pytest.approx(2 * before["width"], rel=0.05)
    anchor = (y - before["y"]) / before["height"]
    assert zoomed["y"] + anchor * zoomed["height"] == pytest.approx(y, abs=8)

    fingers("touchStart", (x - 60, y))
    for step in range(1, 6):
        fingers("touchMove", (x - 60 + 8 * step, y))
    fingers("touchEnd")
    assert picture()["x"] == pytest.approx(zoomed["x"] + 40, abs=2)
    assert picture()["width"] == zoomed["width"]


def test_light_and_dark(open_page):
    light, dark = open_page(color_scheme="light"), open_page(color_scheme="dark")
    day, night = colour(light), colour(dark)
    assert day != night
    button = dark.locator("#theme")
    button.click()
    expect(button).to_have_accessible_name("Colours: Light")
    assert colour(dark) == day
    dark.reload()
    expect(button).to_have_accessible_name("Colours: Light")
    assert colour(dark) == day
    button.click()
    button.click()
    expect(button).to_have_accessible_name("Colours: Auto")
    assert colour(dark) == night


def test_without_a_session_the_page_says_how_to_get_one(browser, server):
    context = browser.new_context()
    watched = Watched(context, server.url)
    page = watched.page
    page.goto(server.url + "/")
    expect(page.get_by_role("heading", name="This browser is not signed in")).to_be_visible()
    expect(page.locator("#locked")).to_contain_text("pipersr serve")
    expect(page.locator("#app")).to_be_hidden()
    assert axe_faults(page) == []
    context.close()
    assert not watched.foreign
    assert all("401" in line for line in watched.errors), watched.errors


def test_more_files_than_the_queue_takes(browser, make_server, tmp_path, tiny_png):
    """They wait in the page until there is room."""
    server = make_server("--max-queued", 1, "--max-rate", 1000).start()
    context = browser.new_context()
    watched = Watched(context, server.url)
    watched.page.goto(server.link)
    for number in range(6):
        (tmp_path / f"{number}.png").write_bytes(tiny_png)
    upscale(watched.page, *[tmp_path / f"{number}.png" for number in range(6)])
    expect(watched.page.locator("#finished li.job")).to_have_count(6, timeout=60_000)
    assert all(job["state"] == "done" for job in server.get("/v1/jobs").json()["jobs"])
    context.close()
    assert not watched.foreign
    assert all("503" in line for line in watched.errors), watched.errors


def test_restart_of_the_server(browser, make_server, tmp_path, tiny_png):
    """The page says what is wrong while the server is away, and goes on without losing chosen files."""
    (tmp_path / "done.png").write_bytes(tiny_png)
    server = make_server().start()
    context = browser.new_context()
    page = context.new_page()
    page.goto(server.link)
    upscale(page, tmp_path / "done.png")
    finished(page, "done.png")
    page.set_input_files("#files", [SMALL])
    server.kill()
    expect(page.locator("#banner")).to_contain_text("connection to the server is lost")
    again = make_server("--port", urllib.parse.urlsplit(server.url).port).start()
    expect(page.locator("#locked")).to_be_visible(timeout=20_000)
    other = context.new_page()
    other.goto(again.link)
    expect(job_card(other, "done.png")).to_be_visible()
    page.locator("#locked-again").click()
    expect(page.locator("#app")).to_be_visible()
    expect(page.locator("#banner")).to_be_hidden()
    page.locator("#start").click()
    finished(page, "badge.png")
    expect(job_card(other, "badge.png")).to_be_visible()
    # The link is good for one browser; whoever has it later is told how to get another.
    stranger = browser.new_context()
    late = stranger.new_page()
    late.goto(again.link)
    expect(late.locator("#locked")).to_be_visible()
    stranger.close()
    context.close()


def test_files_of_the_page(server):
    """Open to everyone, kept in caches only as long as they are the same, and strict about scripts."""
    with urllib.request.urlopen(server.url + "/") as answer:
        policy = dict(part.split(" ", 1) for part in answer.headers["Content-Security-Policy"].split("; "))
        text = answer.read().decode()
    assert policy["default-src"] == "'none'" and policy["script-src"] == policy["style-src"] == "'self'"
    assert "<style" not in text and " style=" not in text and "onclick" not in text
    names = re.findall(r'(?:src|href)="([\w.]+)"', text)
    assert {"main.js", "page.css", "icon.svg"} <= set(names)
    for name in names:
        with urllib.request.urlopen(f"{server.url}/{name}") as answer:
            etag = answer.headers["ETag"]
            assert answer.read() == (ROOT / "server/web" / name).read_bytes()
        again = urllib.request.Request(f"{server.url}/{name}", headers={"If-None-Match": etag})
        with pytest.raises(urllib.error.HTTPError) as unchanged:
            urllib.request.urlopen(again)
        assert unchanged.value.code == 304
