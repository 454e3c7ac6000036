#!/usr/bin/env python3
"""Pictures of the status page, to look at: idle, under load, with a stall that
goes on, draining, and without an answer; light, dark, and on a phone.

Use: tests/e2e/page_screenshots.py [FOLDER]

Needs what `deploy/test` installs, and a built proxy (bazel-bin/proxy/weir, or
$WEIR). Prints the folder, a new one unless it is given.
"""

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent.parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE))
if "PLAYWRIGHT" not in os.environ:
    os.environ["PLAYWRIGHT"] = subprocess.run(
        [TOP / "deploy/npm/install", "test"], check=True, text=True,
        stdout=subprocess.PIPE).stdout.strip() + "/node_modules/playwright-core/package.json"
os.environ.setdefault("WEIR", str(TOP / "bazel-bin/proxy/weir"))

import browser  # noqa: E402  (the path comes first)
import peers  # noqa: E402
import weir  # noqa: E402

LOOKS = {
    "light": {"colorScheme": "light", "viewport": {"width": 1280, "height": 1000}},
    "dark": {"colorScheme": "dark", "viewport": {"width": 1280, "height": 1000}},
    "phone": {"colorScheme": "light", "viewport": {"width": 360, "height": 800}},
    "phone-dark": {"colorScheme": "dark", "viewport": {"width": 320, "height": 800}},
}
# For the plots to show something.
SECONDS = 12


class Load:
    """Echoes of many sizes on some connections, until it ends."""

    def __init__(self, stack, proxy, count):
        self._end = threading.Event()
        self._threads = []
        for i in range(count):
            client = stack.enter_context(peers.connect(proxy.address("pg" if i % 3 else "web")))
            thread = threading.Thread(target=self._run, args=(client, 1 << (6 + i % 12)))
            thread.start()
            self._threads.append(thread)

    def _run(self, client, size):
        with contextlib.suppress(OSError, AssertionError):
            while not self._end.wait(0.01):
                peers.round_trip(client, b"x" * size)

    def end(self):
        self._end.set()
        for thread in self._threads:
            thread.join()


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else
                          tempfile.mkdtemp(prefix="weir-page-"))
    folder.mkdir(parents=True, exist_ok=True)
    with browser.Browser() as chrome:
        for look, options in LOOKS.items():
            take(chrome, options, str(folder / look))
    print(folder)


def take(chrome, options, prefix):
    def picture(name):
        chrome.run("await page.screenshot({path, fullPage: true});",
                   path="%s-%s.png" % (prefix, name))

    def pause(seconds):
        chrome.run("await page.waitForTimeout(ms);", ms=seconds * 1000)

    with contextlib.ExitStack() as stack:
        server = stack.enter_context(peers.Server(peers.echo))
        dead = stack.enter_context(peers.DeadPort())
        proxy = stack.enter_context(weir.Weir(
            "pg@127.0.0.1:0=" + server.target, "web@127.0.0.1:0=" + server.target,
            "cache@127.0.0.1:0=" + dead.target, "--allow_stall_injection",
            "--drain_timeout=20s", "--drain_idle=10s", reactors=2, quick_drain=False))
        idle = stack.enter_context(peers.connect(proxy.address("pg")))
        peers.round_trip(idle)
        chrome.open("http://%s:%d/" % proxy.admin, **options)
        pause(SECONDS)
        picture("idle")

        peers.round_trip(idle)  # The server does not wait for ever.
        load = Load(stack, proxy, 30)
        stack.callback(load.end)
        with contextlib.suppress(OSError), peers.connect(proxy.address("cache")) as refused:
            refused.recv(1)
        pause(SECONDS)
        chrome.run("await page.click('#list > summary');")
        pause(3)
        picture("load")

        peers.round_trip(idle)
        connections = json.loads(proxy.http("/debug/connections")[1])["connections"]
        for milliseconds, how in ((400, "blocked"), (8000, "cpu")):
            one = connections[len(connections) // 2]
            proxy.http("/debug/stall?reactor=%s&ms=%d&how=%s&connection=%d" % (
                one["reactor"], milliseconds, how, one["id"]), "POST")
            pause(2)
        chrome.run("await page.check('#stall-order input[value=seconds]', {force: true});")
        chrome.run("await page.click('#stuck summary');")
        chrome.run("await page.locator('#stall-table summary').first().click();")
        picture("stall")

        chrome.wait("() => document.querySelector('#stuck').innerText === ''")
        chrome.run("await page.locator('#connection-table .close button').first().click();")
        chrome.run("await page.screenshot({path});", path=prefix + "-question.png")
        chrome.run("await page.click('#dialog-no'); await page.click('#drain');"
                   "await page.click('#dialog-yes');")
        pause(3)
        picture("drain")
        load.end()
        idle.close()
        proxy.process.kill()
        proxy.wait()
        pause(3)
        picture("lost")
        proxy.close(check=False)


if __name__ == "__main__":
    main()
