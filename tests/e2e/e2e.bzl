"""e2e_test: a module that runs the real proxy, as a Bazel test."""

load("//tests/support:py_unittest.bzl", "py_unittest")

def e2e_test(name, data = [], env = {}, **kwargs):
    """Runs NAME.py with the proxy's path in $WEIR.

    Args:
      name: of the test, and of its module.
      data: what it needs besides the proxy and the fixtures.
      env: more of the environment.
      **kwargs: passed on.
    """
    py_unittest(
        name = name,
        src = name + ".py",
        data = [
            ":fixtures",
            "//proxy:weir",
        ] + data,
        env = dict(env, WEIR = "$(rootpath //proxy:weir)"),
        **kwargs
    )
