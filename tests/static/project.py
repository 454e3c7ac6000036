"""The project's files and commands, for the static checks."""

import os
import pathlib
import re
import subprocess

TOP = pathlib.Path(__file__).resolve().parents[2]


def run(*command):
    """Exit status and everything that was printed."""
    done = subprocess.run(
        command,
        cwd=TOP,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    return done.returncode, done.stdout


def bazel(command, *args):
    return run("bazel", command, "--ui_event_filters=-info", *args)


def files(pattern="*"):
    """The project's files, not ignored ones, relative to its top."""
    # A clone may belong to somebody else, as in a container.
    status, output = run("git", "-c", "safe.directory=*", "ls-files", "-z",
                         "--cached", "--others", "--exclude-standard")
    if status:
        raise RuntimeError(output)
    paths = [pathlib.PurePath(name) for name in output.split("\0") if name]
    return sorted(path for path in set(paths)
                  if path.match(pattern) and os.path.isfile(TOP / path))


def text(path):
    return (TOP / path).read_text(encoding="utf-8")


def lines_with(regex, paths):
    """`path:line: text` of each line that the expression is found in."""
    found = []
    for path in paths:
        try:
            lines = text(path).splitlines()
        except UnicodeDecodeError:
            continue
        found += [f"{path}:{number}: {line.strip()}"
                  for number, line in enumerate(lines, 1)
                  if re.search(regex, line)]
    return found
