"""A headless Chromium for tests, driven by Playwright in a node process."""

import json
import os
import shutil
import subprocess
import tempfile

import programs
from weir import LONG


class Browser:
    """A context manager. run() takes JavaScript with Playwright's `page`."""

    def __init__(self):
        chromium, node = programs.need("chromium", "node")
        self._home = tempfile.mkdtemp(prefix="weir-chromium-")
        self._log = open(os.path.join(self._home, "log"), "w+b")
        self._process = subprocess.Popen(
            [node, os.path.join(os.path.dirname(os.path.abspath(__file__)), "browser.js"),
             chromium],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True,
            env=dict(os.environ, HOME=self._home, TIMEOUT_MS=str(LONG * 1000)))
        self.run("")  # Once it answers, the browser has started.

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self._process.poll() is None:
            self._process.stdin.close()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._process.stdout.close()
        self._log.close()
        shutil.rmtree(self._home, ignore_errors=True)

    def run(self, body, **values):
        """Runs the body of an async function, with `values` as constants, and
        returns what it returns."""
        constants = "".join("const %s = %s;\n" % (name, json.dumps(value))
                            for name, value in values.items())
        self._process.stdin.write(json.dumps({"body": constants + body}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            self._log.seek(0)
            raise AssertionError("no browser: " + self._log.read().decode(errors="replace"))
        answer = json.loads(line)
        if "error" in answer:
            raise AssertionError("%s\nin: %s" % (answer["error"], body))
        return answer["value"]

    def open(self, url, **options):
        """A page with a new profile; options as Playwright's newContext()."""
        self.run("await state.open(url, options);", url=url, options=options)

    def wait(self, condition, **values):
        """Until the function, called in the page with `values`, returns true. (Not
        Playwright's waitForFunction, which the page's policy forbids.)"""
        self.run("""
            const deadline = Date.now() + Number(process.env.TIMEOUT_MS);
            while (!await page.evaluate(%s, values)) {
              if (Date.now() > deadline) {
                throw new Error("in vain; the page says: " +
                  await page.evaluate(() => document.body.innerText));
              }
              await new Promise((done) => setTimeout(done, 50));
            }""" % condition, values=values)

    def text(self, selector):
        return self.run("return page.locator(selector).innerText();", selector=selector)

    def errors(self):
        """What the page complained of, and uncaught exceptions."""
        return self.run("return state.errors;")

    def requests(self):
        """The addresses that the page has asked for."""
        return self.run("return state.requests;")
