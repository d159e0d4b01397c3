"""For processes that run Qwen3.5's text model: it imports one module of torchvision, for images it is never given.

torchvision has no CPU build on PyPI. Only this module is stood in for: whoever asks whether torchvision is installed
still hears that it is not.
"""

import sys
from types import ModuleType

transforms = ModuleType("torchvision.transforms.v2")
functional = ModuleType("torchvision.transforms.v2.functional")
transforms.functional = functional  # type: ignore[attr-defined]
sys.modules[transforms.__name__] = transforms
sys.modules[functional.__name__] = functional
