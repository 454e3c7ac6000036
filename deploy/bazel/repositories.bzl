"""Local repositories: what Bazel wants to download and Debian already has.

Debian's Bazel 4.2.3 looks for rules_cc and, for every cc_test, for
remote_coverage_tools. Debian's rules_cc is too new for it, hence two shims.
"""

load(":npm.bzl", "npm_packages")

_RULES_CC = """\
# The native rules under the names that rules_cc gives them.
cc_binary = native.cc_binary
cc_import = native.cc_import
cc_library = native.cc_library
cc_proto_library = native.cc_proto_library
cc_test = native.cc_test
cc_toolchain = native.cc_toolchain
cc_toolchain_suite = native.cc_toolchain_suite
fdo_prefetch_hints = native.fdo_prefetch_hints
objc_library = native.objc_library
"""

_COVERAGE = """\
# Named by every cc_test, run only by `bazel coverage`.
sh_binary(
    name = "coverage_report_generator",
    srcs = ["unsupported.sh"],
    visibility = ["//visibility:public"],
)
"""

_UPLOT = """\
exports_files(
    [
        "uplot/LICENSE",
        "uplot/dist/uPlot.iife.min.js",
        "uplot/dist/uPlot.min.css",
    ],
    visibility = ["//visibility:public"],
)
"""

_PLAYWRIGHT = """\
exports_files(
    ["playwright-core/package.json"],
    visibility = ["//visibility:public"],
)

filegroup(
    name = "playwright",
    srcs = glob(["playwright-core/**"]),
    visibility = ["//visibility:public"],
)
"""

# Without a module map: clang would find that of an indirect dependency through
# others, and Bazel then reports an inclusion that was not declared.
_LIBRARY = """\
cc_library(
    name = "{name}",
    features = ["-module_maps"],
    linkopts = {linkopts},
    visibility = ["//visibility:public"],
)
"""

def _files_impl(ctx):
    ctx.file("WORKSPACE", "workspace(name = \"%s\")\n" % ctx.name)
    for path, content in ctx.attr.files.items():
        ctx.file(path, content)

_files = repository_rule(
    implementation = _files_impl,
    attrs = {"files": attr.string_dict()},
    doc = "A repository made of the given files.",
)

def _system_library_impl(ctx):
    ctx.file("WORKSPACE", "workspace(name = \"%s\")\n" % ctx.name)
    build = ""
    for name, libraries in ctx.attr.targets.items():
        # Linked only where used: Abseil alone is 60 shared libraries.
        linkopts = ["-Wl,--push-state,--as-needed"]
        linkopts += ["-l" + library for library in libraries]
        linkopts += ["-Wl,--pop-state"]
        build += _LIBRARY.format(name = name, linkopts = repr(linkopts))
    ctx.file("BUILD.bazel", build)

_system_library = repository_rule(
    implementation = _system_library_impl,
    attrs = {"targets": attr.string_list_dict()},
    doc = "Targets that link installed libraries; their headers lie in /usr/include.",
)

# Debian splits Abseil into many libraries; these are the ones that weir's
# includes can reach, flags and test helpers left out.
_ABSEIL = [
    "absl_" + name
    for name in [
        "bad_any_cast_impl",
        "bad_optional_access",
        "bad_variant_access",
        "base",
        "city",
        "civil_time",
        "cord",
        "cord_internal",
        "cordz_functions",
        "cordz_handle",
        "cordz_info",
        "cordz_sample_token",
        "debugging_internal",
        "demangle_internal",
        "examine_stack",
        "exponential_biased",
        "failure_signal_handler",
        "graphcycles_internal",
        "hash",
        "hashtablez_sampler",
        "int128",
        "leak_check",
        "log_severity",
        "low_level_hash",
        "malloc_internal",
        "periodic_sampler",
        "random_distributions",
        "random_internal_platform",
        "random_internal_pool_urbg",
        "random_internal_randen",
        "random_internal_randen_hwaes",
        "random_internal_randen_hwaes_impl",
        "random_internal_randen_slow",
        "random_internal_seed_material",
        "random_seed_gen_exception",
        "random_seed_sequences",
        "raw_hash_set",
        "raw_logging_internal",
        "spinlock_wait",
        "stacktrace",
        "status",
        "statusor",
        "str_format_internal",
        "strerror",
        "strings",
        "strings_internal",
        "symbolize",
        "synchronization",
        "throw_delegate",
        "time",
        "time_zone",
    ]
]

def bazel_repositories():
    """The repositories that Bazel itself asks for."""
    _files(
        name = "rules_cc",
        files = {
            "cc/BUILD.bazel": "",
            "cc/defs.bzl": _RULES_CC,
        },
    )
    _files(
        name = "remote_coverage_tools",
        files = {
            "BUILD.bazel": _COVERAGE,
            "unsupported.sh": "#!/bin/sh\nexit 1\n",
        },
    )
    for name, path in {
        "bazel_skylib": "tools/skylib",
        "platforms": "tools/platforms",
        "rules_java": "rules/java",
        "rules_proto": "rules/proto",
    }.items():
        native.local_repository(name = name, path = "/usr/share/bazel/" + path)

def system_libraries():
    """The libraries that weir is built on, one repository each."""
    for name, targets in {
        "abseil": {"absl": _ABSEIL},
        "c_ares": {"cares": ["cares"]},
        "gflags": {"gflags": ["gflags"]},
        "glog": {"glog": ["glog", "gflags"]},
        "googletest": {
            "gtest": ["gmock", "gtest", "pthread"],
            "gtest_main": ["gmock_main", "gmock", "gtest", "pthread"],
        },
        "libevent": {"libevent": ["event_core", "event_extra", "event_pthreads"]},
        "libseccomp": {"seccomp": ["seccomp"]},
        "liburing": {"liburing": ["uring"]},
        "nlohmann_json": {"json": []},
        "prometheus_cpp": {"core": ["prometheus-cpp-core"]},
    }.items():
        _system_library(name = name, targets = targets)

def npm_repositories():
    """What comes from npm: the plots of the page, and what drives its test."""
    npm_packages(
        name = "uplot",
        build = _UPLOT,
        packages = ["uplot"],
        set = "run",
    )
    npm_packages(
        name = "playwright",
        build = _PLAYWRIGHT,
        packages = ["playwright-core"],
        set = "test",
    )
