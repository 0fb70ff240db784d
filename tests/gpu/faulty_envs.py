"""Environments that break the GPU they are trained on, in their hundredth step."""

import gymnasium
import torch

AT_STEP = 100


class Breaking(gymnasium.Wrapper):
    """CartPole, and a fault."""

    def __init__(self):
        super().__init__(gymnasium.make("CartPole-v1"))
        self._n_steps = 0

    def step(self, action):
        self._n_steps += 1
        if self._n_steps == AT_STEP:
            self.break_gpu()
        return self.env.step(action)


class BadIndex(Breaking):
    """Reads behind a table's end: a device-side assertion, after which the process can use no GPU any more."""

    def break_gpu(self):
        torch.zeros(8, device="cuda")[torch.tensor([1_000_000], device="cuda")]
        torch.cuda.synchronize()


class Hungry(Breaking):
    """Asks for more memory than any GPU has."""

    def break_gpu(self):
        torch.empty(1 << 44, dtype=torch.uint8, device="cuda")


class Greedy(Breaking):
    """Asks for half of a GPU's memory."""

    def break_gpu(self):
        torch.empty(torch.cuda.get_device_properties(0).total_memory // 2, dtype=torch.uint8, device="cuda")


gymnasium.register("Greedy-v0", entry_point=Greedy)
gymnasium.register("BadIndex-v0", entry_point=BadIndex)
gymnasium.register("Hungry-v0", entry_point=Hungry)
