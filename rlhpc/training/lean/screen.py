"""The screen of an Atari game as an agent sees it: the last two frames of an action laid over each other, in grey, 84 x 84.

SB3 takes both in RGB, the larger of each channel, the grey of that, and its size. Nearly all games have the palette of NTSC: the
grey of two of its colours is looked up in a table, which is what that comes to, and takes a third of the time.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from ale_py.env import AtariEnv
from numpy.typing import NDArray

SIZE = 84
Frame = NDArray[np.uint8]
# Of ale-py 0.12.1, as `getScreen` and `getScreenRGB` show it: RGB of the colours 0, 2, 4, ..., 254; there are no odd ones.
_NTSC = np.frombuffer(
    bytes.fromhex("""
0000004a4a4a6f6f6f8e8e8eaaaaaac0c0c0d6d6d6ececec48480069690f86861da2a22abbbb35d2d240e8e84afcfc54
7c2c00904811a26221b47a30c3903dd2a44adfb755ecc860901c00a33915b55328c66c3ad5824ae39759f0aa67fcbc74
940000a71a1ab83232c84848d65c5ce46f6ff08080fc909084006497197aa8308fb846a2c659b3d46cc3e07cd2ec8ce0
50008468199a7d30ad9246c0a459d0b56ce0c57ceed48cfc140090331aa34e32b56848c67f5cd5956fe3a980f0bc90fc
000094181aa72d32b84248c8545cd6656fe47580f08490fc001c88183b9d2d57b04272c2548ad265a0e175b5ef84c8fc
0030641850802d6d984288b054a0c565b7d975cceb84e0fc00403018624e2d8169429e8254b89965d1ae75e7c284fcd4
0044001a661a32843248a0485cba5c6fd26f80e88090fc90143c00355f18527e2d6e9c4287b7549ed065b4e775c8fc84
3038005059166d762b88923ea0ab4fb7c25fccd86ee0ec7c482c00694d14866a26a28638bb9f47d2b656e8cc63fce070
"""),
    np.uint8,
).reshape(128, 3)
# Of the games that ale-py knows, those of other colours.
_OF_OTHER_COLOURS = frozenset(
    (
        "adventure",
        "air_raid",
        "keystone_kapers",
        "king_kong",
        "klax",
        "laser_gates",
        "mr_do",
        "pacman",
        "sir_lancelot",
        "space_war",
    )
)


def _greys() -> Frame:
    """Return the grey of every pair of colours laid over each other, shape (65536,): at ``256 * one + other``."""
    colours = np.zeros((256, 3), np.uint8)
    colours[::2] = _NTSC
    pairs = np.maximum(colours[:, None], colours[None])
    return cv2.cvtColor(pairs, cv2.COLOR_RGB2GRAY).reshape(-1)  # type: ignore[return-value]  # uint8, as what is given


_GREYS = _greys()


class Screen:
    """The screen of a game.

    Parameters
    ----------
    env : AtariEnv
    """

    def __init__(self, env: AtariEnv) -> None:
        self._env = env
        self._is_ntsc = env._game not in _OF_OTHER_COLOURS  # noqa: SLF001  # not told otherwise
        self._last_two = np.zeros((2, *env.ale.getScreenDims(), *(() if self._is_ntsc else (3,))), np.uint8)

    def keep(self, place: int) -> None:
        """Keep what is shown as the first (0) or the second (1) of two."""
        if self._is_ntsc:
            self._env.ale.getScreen(self._last_two[place])
        else:
            self._env.ale.getScreenRGB(self._last_two[place])

    def last_two(self) -> Frame:
        """Return the two that were kept last, laid over each other, shape (84, 84)."""
        if self._is_ntsc:
            pairs = cv2.merge(tuple(self._last_two)).view(np.uint16)[..., 0]
            return _resized(cv2.LUT(pairs, _GREYS))
        return _resized(cv2.cvtColor(np.maximum(*self._last_two), cv2.COLOR_RGB2GRAY))

    def now(self) -> Frame:
        """Return what is shown, shape (84, 84).

        Raises
        ------
        RuntimeError
            If it is not in the colours that we know.
        """
        screen = self._env.ale.getScreenRGB()
        if self._is_ntsc and not np.array_equal(_NTSC[self._env.ale.getScreen() >> 1], screen):
            name = self._env._game  # noqa: SLF001  # not told otherwise
            raise RuntimeError(f"'{name}' has other colours than NTSC's; is it another version of ale-py?")
        return _resized(cv2.cvtColor(screen, cv2.COLOR_RGB2GRAY))


def _resized(grey: Any) -> Frame:
    frame: Frame = cv2.resize(grey, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    return frame
