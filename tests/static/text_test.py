"""What holds for the text of all files: format, and words that must not be."""

import re
import unittest

import project

# Reading the machine's clocks, or sleeping by them.
REAL_TIME = "|".join([
    r"\bclock_gettime\b",
    r"\bgettimeofday\b",
    r"_clock::now\b",
    r"\babsl::Now\b",
    r"\bGetCurrentTimeNanos\b",
    r"\btime\((nullptr|NULL|0|&)",
    r"\bu?sleep\(",
    r"\bnanosleep\b",
    r"\bsleep_(for|until)\b",
    r"\bSleepFor\b",
    r"\btimerfd_create\b",
    r"\b__rdtsc\b",
])

TOP_LEVEL = {
    ".bazeliskrc", ".bazelrc", ".ci", ".clang-format", ".gitignore",
    "BUILD.bazel", "README.md", "WORKSPACE", "deploy", "metrics", "proxy",
    "reactor", "tests",
}

# In pieces, so that this file does not contain them.
UNFINISHED = r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b"
MACHINE = "|".join([
    r"(?<![\w./])/(root|work)/",
    r"(?<![\w./])/home/(?!USER)[a-z]",
    r"/tmp/" + r"bz",
    r"registry\." + r"npmjs",
    r"deb\." + r"debian",
])


class TextTest(unittest.TestCase):
    def passes(self, *command):
        status, output = project.run(*command)
        self.assertEqual(status, 0, output)

    def test_clang_format(self):
        sources = project.files("*.h") + project.files("*.cc")
        self.assertTrue(sources)
        self.passes("clang-format", "--dry-run", "-Werror", *map(str, sources))

    def test_buildifier(self):
        sources = project.files("*.bazel") + project.files("*.bzl")
        self.passes("deploy/buildifier", "-mode=check", "WORKSPACE",
                    *map(str, sources))

    def test_shellcheck(self):
        scripts = [path for path in project.files()
                   if path.suffix == ".sh" or re.match(
                       rb"#!/(usr/)?bin/(env )?(ba|da)?sh\b",
                       (project.TOP / path).read_bytes()[:30])]
        self.assertTrue(scripts)
        self.passes("shellcheck", "-x", *map(str, scripts))

    def test_real_time_is_read_in_one_file(self):
        clock = "reactor/clock.cc"
        sources = [path for path in project.files("*.h") +
                   project.files("*.cc")
                   if path.parts[0] in ("metrics", "proxy", "reactor")]
        found = project.lines_with(REAL_TIME, sources)
        # (A timer that is set by a clock does not read it.)
        elsewhere = [line for line in found
                     if not line.startswith(clock) and "timerfd_create" not in line]
        self.assertEqual(elsewhere, [])
        # The expression does find such a line.
        self.assertNotEqual(found, [])

    def test_include_guards(self):
        for path in project.files("*.h"):
            guard = re.sub(r"\W", "_", str(path)).upper() + "_"
            with self.subTest(path=path):
                self.assertRegex(
                    project.text(path),
                    rf"(?m)^#ifndef {guard}\n#define {guard}\n")

    def test_top_level(self):
        top = {path.parts[0] for path in project.files()}
        self.assertEqual(top - TOP_LEVEL, set())

    def test_no_unfinished_work(self):
        self.assertEqual(project.lines_with(UNFINISHED, project.files()), [])

    def test_nothing_of_one_machine(self):
        self.assertEqual(project.lines_with(MACHINE, project.files()), [])


if __name__ == "__main__":
    unittest.main()
