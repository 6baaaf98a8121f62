"""Prompt learning for CLIP-like models: quantized, low-rank and variational prompts."""

import os

__version__ = "0.1.0"

# Prompts are small: torch's threads wait far more than they work, and by default they wait by
# spinning. On a machine with other work to do a training step then takes tens of times longer.
# Read when torch is first imported; a value set by the user stands.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# On a GPU, cuBLAS repeats its bits with a workspace of a fixed size, without which PyTorch refuses
# it where bits are to be repeated. It looks once, at the first product of the process, which may
# come long before the first training. A value set by the user stands here, too.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
