import subprocess
import sys

import trimtab.data

HEAVY = {"torch", "transformers", "pandas", "numpy", "pyarrow", "huggingface_hub", "rich"}


def modules_after(code):
    script = f"import sys\n{code}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in done.stdout.split()}


def test_importing_data_imports_nothing_heavy():
    assert not modules_after("import trimtab.data") & HEAVY


def test_importing_the_command_line_imports_nothing_heavy():
    assert not modules_after("import trimtab.cli.main, trimtab.cli.data") & HEAVY


def test_all_names_every_public_name():
    modules = {"balance", "builtin", "checks", "easy", "evals_format", "formats", "lines", "pairs", "pairs_format"}
    modules |= {"neutral", "seeded", "sources", "splits"}
    public = {name for name in vars(trimtab.data) if not name.startswith("_")} - modules
    assert public == set(trimtab.data.__all__)
