"""What clang and Bazel's visibility enforce, and that they do.

The rule of each check is broken on purpose, in packages that exist only for
this test: Bazel finds them in a second root of --package_path.
"""

import pathlib
import re
import shutil
import tempfile
import unittest

import project

CLANG = ["--config=clang", "--keep_going"]
# Compiled, not linked: the checks are done by then.
SOURCES = ["--output_groups=compilation_outputs"]
HEADERS = ["--aspects=//deploy/bazel:headers.bzl%compile_headers",
           "--output_groups=headers"]

# Not //...: Bazel would search symlinks to other output folders too.
ALL = ["//metrics/...", "//reactor/...", "//proxy/...", "//tests/..."]

# Each sees itself and what stands left of it.
LAYERS = ["metrics", "reactor", "proxy/config", "proxy/observe",
          "proxy/upstream", "proxy/relay", "proxy/lifecycle", "proxy/client"]

BREACHES = {
    "BUILD.bazel": """
cc_library(
    name = "transitive_include",
    srcs = ["transitive_include.cc"],
    deps = ["//reactor:fd"],
)
cc_library(name = "unlocked", srcs = ["unlocked.cc"])
cc_library(name = "not_alone", hdrs = ["not_alone.h"])
""",
    "transitive_include.cc": '#include "reactor/kernel.h"\n',
    "unlocked.cc": """
struct __attribute__((capability("thread"))) Loop {};
Loop loop;
int owned __attribute__((guarded_by(loop)));
int Read() { return owned; }
""",
    "not_alone.h": "inline std::string Name() { return {}; }\n",
}


def libraries(layer):
    status, output = project.bazel(
        "query", f'kind("cc_library rule", //{layer}/...)')
    # An empty folder is no error here: the layer's own tests would miss it.
    return output.split() if status == 0 else []


def probe(name, deps):
    return f'cc_library(name = "{name}", deps = {deps!r})\n'.replace("'", '"')


class BuildTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.overlay = pathlib.Path(tempfile.mkdtemp())
        cls.addClassCleanup(shutil.rmtree, cls.overlay)
        cls.path = f"--package_path=%workspace%:{cls.overlay}"

    def package(self, name, files):
        folder = self.overlay / name
        folder.mkdir(parents=True)
        for file, content in files.items():
            (folder / file).write_text(content, encoding="utf-8")

    def test_clang_layers_and_thread_safety(self):
        status, output = project.bazel("build", *CLANG, *SOURCES, *ALL)
        self.assertEqual(status, 0, output)

    def test_headers_compile_alone(self):
        status, output = project.bazel("build", *CLANG, *HEADERS, *ALL)
        self.assertEqual(status, 0, output)

    def test_clang_refuses(self):
        self.package("tests/breaches", BREACHES)
        for target, flags, message in (
            ("transitive_include", SOURCES, "does not depend on a module"),
            ("unlocked", SOURCES, "requires holding"),
            ("not_alone", HEADERS, "undeclared identifier 'std'"),
        ):
            with self.subTest(target=target):
                status, output = project.bazel(
                    "build", *CLANG, *flags, self.path,
                    f"//tests/breaches:{target}")
                self.assertNotEqual(status, 0)
                self.assertIn(message, output)

    def test_no_layer_sees_a_higher_one(self):
        upper = []
        expected = set()
        probes = []
        for layer in reversed(LAYERS):
            package = f"{layer}/layer_probe"
            probes.append(f"//{package}")
            self.package(package, {"BUILD.bazel": probe("layer_probe", upper)})
            expected |= {(f"//{package}:layer_probe", dep) for dep in upper}
            upper = upper + libraries(layer)
        self.assertNotEqual(expected, set())
        _, output = project.bazel(
            "build", "--nobuild", "--keep_going", self.path, *probes)
        refused = set(re.findall(
            r"in cc_library rule (\S+): target '(\S+)' is not visible",
            output))
        self.assertEqual(expected - refused, set(), output)

    def test_a_layer_sees_lower_ones(self):
        # Without this the test above would pass with visibility for nobody.
        self.package("proxy/lifecycle/lower_probe", {
            "BUILD.bazel": probe("lower_probe", ["//reactor:clock"])})
        status, output = project.bazel(
            "build", "--nobuild", self.path, "//proxy/lifecycle/lower_probe")
        self.assertEqual(status, 0, output)


if __name__ == "__main__":
    unittest.main()
