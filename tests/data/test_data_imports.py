import subprocess
import sys
from types import ModuleType

import trimtab.data

HEAVY = {"torch", "transformers", "pandas", "numpy", "pyarrow", "huggingface_hub", "rich"}


def modules_after(code):
    script = f"import sys\n{code}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in done.stdout.split()}


def test_importing_data_imports_nothing_heavy():
    assert not modules_after("import trimtab.data") & HEAVY


def test_importing_the_command_line_imports_nothing_heavy():
    assert not modules_after("import trimtab.cli.main, trimtab.cli.verbs.data") & HEAVY


def test_all_names_every_public_name():
    public = {
        name
        for name, value in vars(trimtab.data).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    }
    assert public - {"annotations"} == set(trimtab.data.__all__)
