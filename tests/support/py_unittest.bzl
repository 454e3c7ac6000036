"""py_unittest: a Python unittest module as a Bazel test."""

def py_unittest(name, src, data = [], **kwargs):
    """Runs `src` with Debian's python3, each method a case of its own.

    Bazel's own py_test starts programs with `python`, which Debian lacks.

    Args:
      name: of the test.
      src: the module, which imports its neighbours by their file names.
      data: what it needs at run time, such as those neighbours and binaries.
      **kwargs: passed on to sh_test.
    """
    native.sh_test(
        name = name,
        srcs = ["//tests/support:run_unittest.py"],
        args = ["$(location %s)" % src],
        data = [src] + data,
        **kwargs
    )
