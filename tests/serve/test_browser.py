"""The pages in a real browser, jobs and all: five flows, one with a bad file, one on a phone, one without scripts."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("starlette", reason="hepad[web] is not installed")
pytest.importorskip("python_multipart", reason="hepad[web] is not installed")
sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DATA = Path(__file__).resolve().parents[2] / "examples" / "data"
ENDED = ".status .state.done, .status .state.failed"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
TIMEOUT = 90_000
"""Milliseconds, on a machine that does much else."""

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no chromium: apt-get install chromium")


@pytest.fixture(scope="module")
def link(tmp_path_factory):
    """The link of a server with its own command line, two jobs side by side."""
    data = tmp_path_factory.mktemp("serve") / "data"
    words = ["serve", "--port", "0", "--jobs", "2", "--folder", str(data), "--share", str(DATA)]
    with subprocess.Popen([sys.executable, "-m", "hepad", *words], stdout=subprocess.PIPE, text=True) as process:
        yield re.fullmatch(r"hepad serve: (http://127\.0\.0\.1:\d+/\?token=\S+)\n", process.stdout.readline())[1]
        process.terminate()
        assert process.wait(20) == 0


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def opened(browser, link):
    """A page of the server, of any size, with or without scripts; whatever the browser complains of fails the test."""
    complaints, contexts = [], []

    def make(path="/", **options):
        context = browser.new_context(**options)
        contexts.append(context)
        context.set_default_timeout(TIMEOUT)
        page = context.new_page()
        page.on("console", lambda said: complaints.append(said.text) if is_complaint(said) else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.goto(link.replace("/?", f"{path}?"))
        assert "token" not in page.url
        return page

    yield make
    for context in contexts:
        context.close()
    assert not complaints


def is_complaint(said):
    """Whether a line of the console is one; that a form is refused is none."""
    return said.type == "error" and "status of 422" not in said.text


def sent(page):
    """Send the form, and wait for the job to end; its state."""
    page.click("main form button")
    page.wait_for_url("**/jobs/*")
    page.wait_for_selector(ENDED)
    return page.inner_text(".status .state")


def test_a_signal_is_held_against_a_search_and_the_answer_is_shared(opened, browser):
    page = opened("/new/reinterpret")
    page.select_option("#analysis", "cms_2019_dijet")
    page.fill("#xsec", "0.05")
    page.set_input_files("#files", DATA / "wprime_xy_3p5tev.root")
    assert sent(page) == "done"
    report = page.frame_locator("iframe")
    report.locator("h1", has_text="Excluded").wait_for()
    assert report.locator("img").first.evaluate("image => image.naturalWidth") > 100
    assert "hepad reinterpret events.root --analysis cms_2019_dijet --xsec 0.05 -o result" in page.inner_text(
        "main pre"
    )
    stranger = browser.new_context().new_page()
    stranger.goto(page.get_attribute("a.share", "href"))
    assert stranger.locator("form").count() == 0
    stranger.click("summary")
    with stranger.expect_download() as found:
        stranger.click("text=reinterpret.json")
    assert '"status": "excluded"' in found.value.path().read_text()
    stranger.goto(page.url)
    assert "token" in stranger.inner_text("body")
    stranger.context.close()


def test_a_bad_file_with_a_bad_name_is_refused_in_one_line(opened, tmp_path):
    page = opened("/new/score")
    page.select_option("#model", "snn_ae")
    bad = tmp_path / "<img src=x onerror=alert(1)>.root"
    bad.write_bytes(b"root, or so it says")
    page.set_input_files("#files", bad)
    assert sent(page) == "failed"
    reason = page.inner_text("#status [role=alert]")
    assert reason.strip().startswith(f"{bad.name}: truncated")
    assert "\n" not in reason.strip()
    assert bad.name in page.inner_text("main")
    page.on("dialog", lambda dialog: dialog.accept())
    page.click("text=Delete this job")
    page.wait_for_url("**/jobs")
    assert bad.name not in page.inner_text("main")


def test_pasted_numbers_are_hunted_in_without_scripts(opened):
    page = opened("/new/bumphunt", java_script_enabled=False)
    page.fill("#numbers", "1 2")
    page.click("main form button")
    assert "line 1 of the numbers has 2 numbers" in page.inner_text("[role=alert]")
    page.fill("#numbers", (DATA / "cms_dijet_137fb.csv").read_text())
    page.select_option("#toys", "100")
    assert sent(page) == "done"  # the page asks again by itself
    page.frame_locator("iframe").locator("text=4509").first.wait_for()


def test_events_of_the_server_are_scored_on_a_phone(opened):
    page = opened("/", viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page.click("main >> text=Score my events")
    page.select_option("#model", "snn_ae")
    page.select_option("#shared", "w_lnu.root")
    assert sent(page) == "done"
    assert "3331" in page.inner_text("dl")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    with page.expect_download() as found:
        page.click("text=scores.root")
    assert found.value.path().read_bytes()[:4] == b"root"
    page.goto(page.url.rsplit("/", 1)[0])
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_a_model_is_held_against_a_budget_and_a_job_is_cancelled(opened):
    page = opened("/new/latency")
    page.select_option("#model", "snn_ae")
    page.select_option("#budget", "hlt-cpu")
    page.click("main form button")
    page.wait_for_url("**/jobs/*")
    page.click("text=Cancel")
    page.wait_for_selector(".status .state.cancelled")
    assert "it was cancelled" in page.inner_text("#status [role=alert]")
    page.click("header >> text=Searches")
    assert page.locator("h2").count() > 3
    page.click("text=Is my model excluded by atlas_2023_ad_two_body?")
    assert page.input_value("#analysis") == "atlas_2023_ad_two_body"
