"""Fifty uploads at once to `hepad serve`: what becomes of them, how soon its pages answer meanwhile, what it takes.

    python benchmarks/serve_load.py [--uploads 50] [--jobs 2] [--megabytes 20] [--seconds 900]

It starts a server of its own on 127.0.0.1 in a folder that it deletes, sends to that one alone, and ends by itself,
after `--seconds` at the latest. The exit code is 1 if an upload was neither taken nor refused with a reason, a job did
not end well, a page took more than a second while uploads came or jobs ran, or the server grew by more than 200 MB.
"""

from __future__ import annotations

import argparse
import http.client
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

EVENTS = Path(__file__).resolve().parents[1] / "examples" / "data" / "w_lnu.root"
EDGE = "edge-of-a-part"
SLOWEST, GROWTH = 1.0, 200


class Server:
    """A server in a folder, and what one can ask it."""

    def __init__(self, folder: str, jobs: int, waiting: float) -> None:
        words = ["serve", "--port", "0", "--jobs", str(jobs), "--folder", folder]
        self.process = subprocess.Popen([sys.executable, "-m", "hepad", *words], stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline() if self.process.stdout else ""
        found = re.fullmatch(r"hepad serve: http://127\.0\.0\.1:(\d+)(/\?token=\S+)\n", line)
        if found is None:
            sys.exit("the server did not start")
        self.port, self.waiting, self.cookie = int(found[1]), waiting, ""
        status, headers, _ = self.ask("GET", found[2])
        assert status == 303
        self.cookie = headers["set-cookie"].partition(";")[0]

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, dict[str, str], str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.waiting)
        try:
            connection.request(method, path, body, {"Cookie": self.cookie, **headers})
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, found, answer.read().decode("utf-8", "replace")
        finally:
            connection.close()

    def memory(self) -> dict[str, int]:
        """Megabytes of the server itself: now, and the most so far."""
        text = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return {key: int(value) // 1024 for key, value in re.findall(r"(VmRSS|VmHWM):\s+(\d+) kB", text)}


def form(csrf: str, content: bytes) -> bytes:
    """A form with a file."""
    head = "".join(
        f'--{EDGE}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in (("csrf", csrf), ("model", "snn_ae"))
    )
    head += f'--{EDGE}\r\nContent-Disposition: form-data; name="files"; filename="w.root"\r\n\r\n'
    return head.encode() + content + f"\r\n--{EDGE}--\r\n".encode()


def upload(server: Server, body: bytes) -> tuple[str, float]:
    """Send a form; the path of its job or the reason that there is none, and the seconds that it took."""
    begin = time.monotonic()
    kind = f"multipart/form-data; boundary={EDGE}"
    status, headers, text = server.ask("POST", "/new/score", body, **{"Content-Type": kind})
    reason = re.search(r'role="alert"><div><p[^>]*>([^<]*)<', text)
    found = (
        headers["location"] if status == 303 else f"refused, {status}: {reason[1] if reason else 'WITHOUT A REASON'}"
    )
    return found, time.monotonic() - begin


def watch(server: Server, stop: threading.Event, times: list[float], memory: list[int]) -> None:
    """Ask for a page ten times a second."""
    while not stop.wait(0.1):
        begin = time.monotonic()
        try:
            server.ask("GET", "/jobs")
        except OSError:
            times.append(float("inf"))
        else:
            times.append(time.monotonic() - begin)
        memory.append(server.memory()["VmRSS"])


def states(server: Server) -> Counter[str]:
    _, _, page = server.ask("GET", "/jobs")
    return Counter(re.findall(r'<li><span class="state \w+">(\w+)</span>', page))


def load(server: Server, options: argparse.Namespace) -> bool:
    """Send, wait, tell; whether all was well."""
    _, _, page = server.ask("GET", "/new/score")
    found = re.search(r'name="csrf" value="([^"]+)"', page)
    assert found is not None
    content = EVENTS.read_bytes()  # what follows the end of a ROOT file is not read
    body = form(found[1], content + bytes(max(0, int(options.megabytes * 1e6) - len(content))))
    before, stop, times, memory = server.memory()["VmRSS"], threading.Event(), [], []
    watcher = threading.Thread(target=watch, args=(server, stop, times, memory))
    watcher.start()
    begin = time.monotonic()
    try:
        with ThreadPoolExecutor(options.uploads) as pool:
            sent = list(pool.map(lambda _: upload(server, body), range(options.uploads)))
        taken = [what for what, _ in sent if what.startswith("/jobs/")]
        size, seconds = len(body) / 1e6, time.monotonic() - begin
        print(f"{len(taken)} of {options.uploads} uploads of {size:.0f} MB taken in {seconds:.1f} s")
        print(f"  one took {min(s for _, s in sent):.1f} to {max(s for _, s in sent):.1f} s")
        for what, count in Counter(what for what, _ in sent if not what.startswith("/jobs/")).items():
            print(f"  {count} {what}")
        arrived = len(times)
        while sum((now := states(server)).values()) - now["done"] - now["failed"] > 0:
            if time.monotonic() - begin > options.seconds:
                print("  the time is over")
                break
            time.sleep(0.5)
        print(f"jobs after {time.monotonic() - begin:.0f} s: {dict(now)}")
    finally:
        stop.set()
        watcher.join()
    for name, part in (("uploads came", times[:arrived]), ("jobs ran", times[arrived:])):
        ordered = sorted(part) or [0.0]
        median, most = ordered[len(ordered) // 2], ordered[-1]
        print(f"page while {name}: median {1000 * median:.0f} ms, longest {1000 * most:.0f} ms, of {len(part)}")
    print(f"server: {before} MB before, at most {max(memory)} MB")
    well = now["done"] == len(taken) and not any("WITHOUT" in what for what, _ in sent)
    return well and max(times) < SLOWEST and max(memory) - before < GROWTH


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--uploads", type=int, default=50)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--megabytes", type=float, default=20)
    parser.add_argument("--seconds", type=float, default=900)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hepad-load-") as folder:
        server = Server(folder, options.jobs, options.seconds)
        try:
            return 0 if load(server, options) else 1
        finally:
            server.process.terminate()
            server.process.wait(30)


if __name__ == "__main__":
    sys.exit(main())
