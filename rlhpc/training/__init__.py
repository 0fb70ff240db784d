"""Training: from a grid to results. Nothing heavy is imported until an agent is trained."""

import os

# Training never renders: without GL the import of MuJoCo is twice as fast and needs no driver. A user's own value wins.
os.environ.setdefault("MUJOCO_GL", "disabled")
