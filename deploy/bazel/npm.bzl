"""npm_packages: files that deploy/npm/install has installed, as a repository.

Bazel itself downloads nothing: where they are missing, it says who brings them.
"""

def _npm_packages_impl(ctx):
    lock = ctx.path(Label("//deploy/npm:package-lock.json"))
    sum = ctx.execute(["sha256sum", lock])
    if sum.return_code:
        fail("sha256sum: " + sum.stderr)
    cache = ctx.os.environ.get("XDG_CACHE_HOME")
    if not cache:
        cache = ctx.os.environ.get("HOME", "") + "/.cache"
    folder = "%s/weir/npm-%s-%s" % (cache, ctx.attr.set, sum.stdout[:16])
    for package in ctx.attr.packages:
        source = "%s/node_modules/%s" % (folder, package)
        if not ctx.path(source).exists:
            fail("weir: npm's %s is not installed; run: deploy/install %s" %
                 (package, ctx.attr.set))

        # A copy: it stays when the cache is emptied.
        copied = ctx.execute(["cp", "-R", source, "./" + package])
        if copied.return_code:
            fail("cp: " + copied.stderr)
    ctx.file("WORKSPACE", "workspace(name = \"%s\")\n" % ctx.name)
    ctx.file("BUILD.bazel", ctx.attr.build)

npm_packages = repository_rule(
    implementation = _npm_packages_impl,
    attrs = {
        "build": attr.string(doc = "The BUILD file."),
        "packages": attr.string_list(),
        "set": attr.string(doc = "Of deploy/npm/install: run or test."),
    },
    environ = ["HOME", "XDG_CACHE_HOME"],
    doc = "A repository with a folder for each of the packages.",
)
