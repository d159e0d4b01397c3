"""For vLLM's processes on a machine without a GPU; Python imports it wherever this folder is on PYTHONPATH.

Triton: with TRITON_INTERPRET=1 its kernels run in its interpreter, slowly, but the real code, and with them vLLM's V2
model runner. vLLM takes Triton for usable on a CPU only if it has a backend called "cpu"; the wheels have none, and the
interpreter needs none.

torchvision: it has no CPU build on PyPI, and Qwen3.5's text model imports one module of it, for images it is never
given. Only this module is stood in for: whoever asks whether torchvision is installed still hears that it is not.
"""

import os
import sys
from types import ModuleType

if os.environ.get("TRITON_INTERPRET") == "1":
    from triton.backends import backends

    class _Driver:
        @staticmethod
        def is_active() -> bool:
            return True

        def get_current_target(self) -> None:
            """What torch.compile asks for its caches of Triton's kernels; this error tells it that there are none."""
            raise RuntimeError("Triton's interpreter compiles for nothing")

    backends["cpu"] = type(next(iter(backends.values())))(compiler=None, driver=_Driver)

transforms = ModuleType("torchvision.transforms.v2")
functional = ModuleType("torchvision.transforms.v2.functional")
transforms.functional = functional  # type: ignore[attr-defined]
sys.modules[transforms.__name__] = transforms
sys.modules[functional.__name__] = functional
