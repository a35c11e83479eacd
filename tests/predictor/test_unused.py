"""What a serving process leaves out of KServe's imports, seen in a process of its own."""

import subprocess
import sys

SCRIPT = """
import sys
from predictor import unused
unused.leave_out()
import kserve.model_server
names = ("pandas", "kubernetes", "httpx", "requests")
loaded = [name for name in names if getattr(sys.modules[name], "__file__", None)]
import pandas
print(loaded, isinstance([], pandas.DataFrame), pandas.DataFrame is pandas.DataFrame)
"""


def test_kserve_is_imported_without_what_a_predictor_never_uses() -> None:
    ran = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert ran.stdout == "[] False True\n"
