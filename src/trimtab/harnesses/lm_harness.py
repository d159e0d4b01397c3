"""lm-eval with the model `trimtab`: `python -m trimtab.harnesses.lm_harness --model trimtab …`.

lm-eval 0.4 has no entry points for models, so a model of another package must be imported in its process before it is
named. Everything on the command line is lm-eval's own.
"""

from __future__ import annotations

import sys

from trimtab.errors import TrimtabError
from trimtab.inputs.characters import escaped
from trimtab.inputs.secrets import without_secrets

INSTALL = "lm-eval is not installed here: pip install 'trimtab[lm-eval]'"


def main() -> int:
    """Run lm-eval's command line; returns 2, with the reason, where trimtab refuses what was asked for."""
    try:
        from lm_eval.__main__ import cli_evaluate

        import trimtab.harnesses.lm_eval_model  # noqa: F401  # registers the model
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "lm_eval":
            raise
        sys.stderr.write(f"trimtab: error: {INSTALL}\n")
        return 2
    try:
        cli_evaluate()
    except TrimtabError as error:
        sys.stderr.write(f"trimtab: error: {escaped(without_secrets(str(error)))}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
