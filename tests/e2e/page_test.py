"""The status page, in a real browser on a real proxy."""

import contextlib
import json
import os
import socket
import tempfile
import unittest

import browser
import peers
import weir

# The text of each row of a table.
ROWS = "[...document.querySelectorAll('%s tbody tr')].map((row) => row.innerText)"


class PageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.chrome = cls.enterClassContext(browser.Browser())

    def setUp(self):
        stack = contextlib.ExitStack()
        self.addCleanup(stack.close)
        self.server = stack.enter_context(peers.Server(peers.echo))
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        self.log = os.path.join(folder, "a-long-name-that-has-to-be-broken-somewhere", "log")
        os.mkdir(os.path.dirname(self.log))
        self.proxy = stack.enter_context(weir.Weir(
            "p@127.0.0.1:0=" + self.server.target, "q@127.0.0.1:0=" + self.server.target,
            "--allow_stall_injection", "--drain_timeout=50s", "--drain_idle=50s",
            "--access_log=" + self.log, reactors=2, quick_drain=False))
        self.url = "http://%s:%d/" % self.proxy.admin
        self.clients = [stack.enter_context(peers.connect(self.proxy.address(name)))
                        for name in "pqp"]
        for client in self.clients:
            peers.round_trip(client)

    def open(self, **options):
        self.chrome.open(self.url, **options)
        self.chrome.wait("() => document.querySelector('#phase').innerText === 'ready'")

    def connections(self):
        status, text = self.proxy.http("/debug/connections")
        self.assertEqual(status, 200, text)
        return json.loads(text)["connections"]

    def id_of(self, client):
        name = "%s:%d" % client.getsockname()[:2]
        return next(c["id"] for c in self.connections() if c["client"] == name)

    def stall_of(self, reactor, connection):
        """What weir says of the last stall of a connection."""
        loops = json.loads(self.proxy.http("/debug/reactors")[1])["reactors"]
        return next(stall for loop in loops if loop["reactor"] == reactor
                    for stall in loop["stalls"] if stall["connection"] == connection)

    def assert_clean(self, lost=False):
        """Nothing asked from elsewhere, no policy broken, no exception."""
        for url in self.chrome.requests():
            self.assertTrue(url.startswith(self.url), url)
        errors = [e for e in self.chrome.errors()
                  if not (lost and e.startswith("Failed to load resource"))]
        self.assertEqual(errors, [])

    def list_rows(self):
        return self.chrome.run("return page.evaluate(() => %s);" % (ROWS % "#connection-table"))

    def open_list(self, count):
        self.chrome.run("await page.click('#list > summary');")
        self.chrome.wait("(v) => (%s).length === v.count" % (ROWS % "#connection-table"),
                         count=count)

    def test_figures_while_somebody_looks(self):
        self.open(colorScheme="dark", viewport={"width": 320, "height": 700})
        self.chrome.wait("() => (%s).length === 3" % (ROWS % "#loop-table"))
        # Two readings make a rate: numbers instead of dashes, and lines.
        self.chrome.wait("() => /[0-9] ms/.test((%s)[0])" % (ROWS % "#loop-table"))
        self.chrome.wait("() => document.querySelectorAll('.u-wrap canvas').length === 4")
        forwards = self.chrome.text("#forward-table")
        self.assertIn(self.server.target, forwards)
        self.assertIn("up", forwards)
        self.assertEqual(self.chrome.text("#access-log"),
                         "Access log %s: writing. 0 lines, 0 dropped." % self.log)
        # Nothing is wider than a narrow phone.
        self.assertLessEqual(
            self.chrome.run("return page.evaluate(() => document.documentElement.scrollWidth);"),
            320)
        # A tab that nobody sees does not ask.
        asked = self.chrome.run("""
            await page.evaluate(() => {
              Object.defineProperty(document, "hidden", {get: () => true, configurable: true});
              document.dispatchEvent(new Event("visibilitychange"));
            });
            await page.waitForLoadState("networkidle");
            const before = state.requests.length;
            await page.evaluate(() => new Promise((done) => setTimeout(done, 1200)));
            return state.requests.length - before;""")
        self.assertEqual(asked, 0)
        before = len(self.chrome.requests())
        self.chrome.run("""await page.evaluate(() => {
          delete document.hidden;
          document.dispatchEvent(new Event("visibilitychange"));
        });""")
        weir.wait_until(lambda: len(self.chrome.requests()) > before, "it to ask again")
        self.assert_clean()

    def test_stall_with_its_culprit(self):
        self.open()
        culprit = self.id_of(self.clients[1])
        reactor = next(c["reactor"] for c in self.connections() if c["id"] == culprit)
        status, text = self.proxy.http("/debug/stall?reactor=%s&ms=3000&how=cpu&connection=%d" % (
            reactor, culprit), "POST")
        self.assertEqual(status, 202, text)
        # While it lasts. (On a busy machine the loop may not have had a processor
        # all the time.)
        self.chrome.wait("""(v) => {
          const said = document.querySelector('#stuck').innerText;
          return v.parts.every((part) => said.includes(part)) &&
            /(cpu|preempted|paused|blocked):/.test(said);
        }""", parts=["loop %s is stuck" % reactor, "for q #%d" % culprit])
        # And when it is over.
        self.chrome.wait("() => !document.querySelector('#stuck').innerText")
        self.chrome.wait("(v) => (%s).some((row) => row.includes(v.text))" % (
            ROWS % "#stall-table"), text="q #%d" % culprit)
        row = "#stall-table tbody tr:has-text('q #%d')" % culprit
        stall = self.stall_of(reactor, culprit)
        self.assertGreaterEqual(stall["seconds"], 3)
        text = self.chrome.text(row)
        for part in ("loop " + reactor, "%.1f s" % stall["seconds"], stall["kind"],
                     stall["cause"]):
            self.assertIn(part, text)
        self.chrome.run("await page.locator(row).locator('summary').click();", row=row)
        frames = self.chrome.text(row + " .frames")
        self.assertEqual(frames.splitlines(), stall["stack"])
        self.assertRegex(frames, r"Stall|Spin")
        self.assert_clean()

    def test_connections_are_sorted_filtered_and_closed(self):
        peers.round_trip(self.clients[1], b"x" * 5000)
        self.open()
        self.open_list(3)
        ids = [self.id_of(client) for client in self.clients]

        def order():
            return [int(row.split()[0]) for row in self.list_rows()]

        self.assertEqual(order(), sorted(ids))
        self.chrome.run("await page.getByRole('button', {name: 'Up', exact: true}).click();")
        self.assertEqual(order()[0], ids[1])
        self.assertEqual(self.chrome.run(
            "return page.locator('#connection-table th[aria-sort=descending]').innerText();"),
            "Up")
        self.chrome.run("await page.fill('#filter', 'q RELAYING');")
        self.assertEqual(order(), [ids[1]])
        self.chrome.run("await page.fill('#filter', '#' + id);", id=ids[2])
        self.assertEqual(order(), [ids[2]])
        self.chrome.run("await page.fill('#filter', 'nothing');")
        self.assertEqual(order(), [])
        self.chrome.run("await page.fill('#filter', '');")
        self.close_by_keyboard(self.clients[0], ids[0])
        self.assertEqual(order(), [ids[1], ids[2]])
        self.assert_clean()

    def close_by_keyboard(self, victim, number):
        name = "Close connection %d" % number
        # Tab reaches the button.
        self.chrome.run("""
            await page.focus('#filter');
            let focused = null;
            for (let i = 0; i < 40 && focused !== name; ++i) {
              await page.keyboard.press('Tab');
              focused = await page.evaluate(() => document.activeElement.ariaLabel);
            }
            if (focused !== name) throw new Error("out of reach");""", name=name)
        # Escape is no.
        self.chrome.run("await page.keyboard.press('Enter');")
        self.assertIn("Close connection", self.chrome.text("#dialog[open] h2"))
        self.chrome.run("await page.keyboard.press('Escape');")
        self.chrome.wait("() => !document.querySelector('#dialog').open")
        peers.round_trip(victim)
        # The button has the focus again. What is asked for has its end in sight.
        self.chrome.run("""
            const asked = new Promise((done) => { state.asked = done; });
            const go = new Promise((done) => { state.go = done; });
            await page.route('**/close', async (route) => {
              state.asked();
              await go;
              await route.continue();
            });
            await page.keyboard.press('Enter');
            await page.keyboard.press('Tab');
            await page.keyboard.press('Enter');
            await asked;
            await page.keyboard.press('Escape');
            await page.keyboard.press('Escape');
            if (!await page.evaluate(() => document.querySelector('#dialog').open)) {
              throw new Error("closed");
            }
            state.go();""")
        self.chrome.wait("() => (%s).length === 2" % (ROWS % "#connection-table"))
        # The focus went to the button that is there now.
        self.chrome.wait("() => /^Close connection/.test(document.activeElement.ariaLabel)")
        with self.assertRaises(ConnectionResetError):
            while victim.recv(1000):
                pass
            raise ConnectionResetError  # An end is as good.
        for client in self.clients[1:]:
            peers.round_trip(client)

    def test_another_process(self):
        """With the same pid, as in a container: its numbers mean others."""
        self.open()
        self.open_list(3)
        self.chrome.run("""
            await page.locator('#connection-table button.danger').first().click();
            await page.route('**/debug/connections', (route) => route.abort());
            await page.route('**/status', async (route) => {
              try {
                const response = await route.fetch();
                const json = await response.json();
                json.metrics.process_start_time_seconds.series[0].value += 100;
                await route.fulfill({response, json});
              } catch {
                // The test is over.
              }
            });""")
        self.chrome.wait("() => !document.querySelector('#dialog').open")
        self.assertEqual(self.list_rows(), [])
        self.assertEqual(self.chrome.run("return page.locator('#said').textContent();"),
                         "weir was started anew.")
        for client in self.clients:
            peers.round_trip(client)
        self.assert_clean(lost=True)

    def test_what_is_not_known_is_not_said(self):
        self.open()
        self.chrome.wait("() => document.querySelector('#calm').innerText === 'Every loop turns.'")
        self.chrome.run("await page.route('**/debug/reactors', (route) => route.abort());")
        self.chrome.wait("() => document.querySelector('#calm').innerText === 'Not known.'")
        self.assertNotIn("polling", self.chrome.text("#loop-table"))
        self.assert_clean(lost=True)

    def test_windows_are_of_uptime(self):
        """Whatever the clock on the wall does, and for how long nobody asked."""
        self.open()
        found = self.chrome.run("""
            return page.evaluate(async (readings) => {
              const {History, Reading} = await import("./readings.js");
              const history = new History();
              for (const [uptime, time] of readings) {
                history.add(new Reading({pid: 1, uptime_seconds: uptime, time_seconds: time}));
              }
              return [10, 60, 300].map((seconds) => history.before(seconds)?.uptime);
            }, readings);""", readings=[[0, 5000], [490, 1000], [700, 900], [785, 8000],
                                        [789, 1], [799, 2], [800, 99999]])
        self.assertEqual(found, [789, 785, 700])
        self.assert_clean()

    def test_drain_then_no_answer(self):
        self.open()
        self.chrome.run("await page.click('#drain'); await page.click('#dialog-yes');")
        self.chrome.wait("() => document.querySelector('#phase').innerText === 'draining'")
        self.chrome.wait("() => /3 connections are left/.test("
                         "document.querySelector('#draining').innerText)")
        self.assertEqual(self.chrome.run("return page.locator('#said').textContent();"),
                         "weir drains.")
        self.assertTrue(self.chrome.run("return page.isDisabled('#drain');"))
        for client in self.clients:
            client.shutdown(socket.SHUT_WR)
        self.assertEqual(self.proxy.wait(), 0)
        self.chrome.wait("() => /No answer since/.test("
                         "document.querySelector('#lost').innerText)")
        # Aloud once, not each second.
        self.assertEqual(self.chrome.run("return page.locator('#said').textContent();"),
                         "weir does not answer.")
        self.assert_clean(lost=True)


if __name__ == "__main__":
    unittest.main()
