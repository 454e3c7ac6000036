"""deploy_test: a module that looks at what deploy/ ships, as a Bazel test."""

load("//tests/support:py_unittest.bzl", "py_unittest")

def deploy_test(name, data = [], env = {}, **kwargs):
    """Runs NAME.py, which may import the fixtures of tests/e2e.

    Args:
      name: of the test, and of its module.
      data: what it needs besides the fixtures and what deploy/ ships.
      env: more of the environment.
      **kwargs: passed on.
    """
    py_unittest(
        name = name,
        src = name + ".py",
        data = [
            ":deployed",
            "//tests/e2e:fixtures",
        ] + data,
        env = dict(env, PYTHONPATH = "tests/e2e"),
        **kwargs
    )
