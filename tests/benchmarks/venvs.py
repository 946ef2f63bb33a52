"""A virtual environment for each peer, so that its dependencies do not affect ours."""

import importlib.metadata
import re
import shutil
import subprocess
import sys

from tests.benchmarks.children import ROOT
from tests.benchmarks.measure import Missing

#: The folder of the environments, which git ignores.
CACHE = ROOT / ".bench"

_PYTEST = "pytest==9.2.0"
_NAME = re.compile(r"[\w.-]+")
#: The packages that fakescale itself needs.
_NEEDED = [
    _NAME.match(line)[0]  # type: ignore[index]
    for line in importlib.metadata.requires("fakescale") or ()
    if "extra ==" not in line
]

PEERS = {
    # A user's environment, with the versions that are installed here.
    "fakescale": (
        *("--editable", str(ROOT)),
        *(f"{name}=={importlib.metadata.version(name)}" for name in _NEEDED),
        _PYTEST,
    ),
    "pytest-httpserver": ("pytest-httpserver==1.2.0", "werkzeug==3.1.9", _PYTEST),
    "moto": ("moto[dynamodb]==5.2.5", "flask==3.1.3", "flask-cors==6.0.5", "werkzeug==3.1.9"),
    "responses": ("responses==0.26.3", "requests==2.34.2"),
    "localstripe": ("localstripe==1.15.10", "aiohttp==3.14.5"),
}


def python_beside(peer: str) -> str:
    """Return the Python of a peer's environment, which the first call makes.

    Raises Missing if the environment cannot be made.
    """
    home = CACHE / f"{peer}-{sys.version_info.major}.{sys.version_info.minor}"
    done = home / "installed.txt"
    requirements = " ".join(PEERS[peer])
    if not done.exists() or done.read_text("utf-8") != requirements:
        shutil.rmtree(home, ignore_errors=True)
        print(f"installing {requirements}", file=sys.stderr)
        install = [str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", *PEERS[peer]]
        for command in ([sys.executable, "-m", "venv", str(home)], install):
            made = subprocess.run(command, check=False, capture_output=True, text=True)
            if made.returncode:
                last = (made.stderr.strip() or "it failed").splitlines()[-1]
                raise Missing(f"it could not be installed: {last}")
        done.write_text(requirements, "utf-8")
    return str(home / "bin" / "python")
