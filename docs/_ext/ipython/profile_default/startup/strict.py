"""In a tutorial, a command that fails fails the page."""

from IPython import get_ipython

shell = get_ipython()
plain = shell.system


def strict(command: str) -> None:
    """Run a command of the shell and raise where it ends with anything but 0."""
    plain(command)
    if code := shell.user_ns.get("_exit_code"):
        raise RuntimeError(f"{command}: exit code {code}")


shell.system = strict
