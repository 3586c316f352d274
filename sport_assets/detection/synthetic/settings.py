"""What a generated scene is like: its size, its camera, who plays, how large and how hard to see the ball is.

Belongs here: settings and what they may be. Must not come here: what is made of them.
"""

from dataclasses import dataclass
from typing import Any, Literal

CameraKind = Literal["static", "panning"]
Difficulty = Literal["easy", "hard"]

PLAYER_HEIGHT_M = 1.8
_LEAST_RANGE = 1.6
"""The largest ball over the smallest: with less there is hardly a pitch between its nearest and its farthest place."""
_EASY: dict[str, Any] = {"ball_pixels": (9.0, 20.0), "players_per_ball": 4.5, "blur": False, "decoys": False}


@dataclass(frozen=True)
class SceneSettings:
    """Raises ValueError, which names the field, for what makes no scene."""

    width: int = 1280
    height: int = 720
    frames: int = 250
    frame_rate: float = 25.0
    players: int = 11
    """On each side, the goalkeeper among them."""
    camera: CameraKind = "static"
    ball_pixels: tuple[float, float] = (5.0, 14.0)
    """What the ball's diameter (pixels, without blur) stays between, from its farthest to its nearest place.
    The camera follows from it: a narrow range gives a high and distant camera, a wide one a low camera nearby."""
    players_per_ball: float = 6.5
    """How many balls high a player is. 8.2 in reality, which lets 22 players fill the image and often cover one
    another. By default about one in twenty touches another in the image. Very small images want fewer still."""
    blur: bool = True
    """Blur along the motion of the ball, of the players and of the camera while the shutter is open."""
    decoys: bool = True
    """What looks like a ball: white socks, kits, spots, corner flags, bright lines, scraps on the grass. Without them
    lines are dim, socks and kits coloured and the ball is plain white."""
    shadows: bool = True
    noise: float = 2.5
    """Standard deviation of the sensor's noise in grey levels."""

    def __post_init__(self) -> None:
        smallest, largest = self.ball_pixels
        rules = {
            "width": 64 <= self.width <= 8192,
            "height": 48 <= self.height <= 8192 and self.height <= self.width,
            "frames": self.frames >= 1,
            "frame_rate": 1 <= self.frame_rate <= 240,
            "players": 2 <= self.players <= 11,
            "camera": self.camera in ("static", "panning"),
            "ball_pixels": smallest >= 1 and smallest * _LEAST_RANGE <= largest <= self.height / 6,
            "players_per_ball": 3 <= self.players_per_ball <= 12,
            "noise": 0 <= self.noise <= 30,
        }
        for name, kept in rules.items():
            if not kept:
                raise ValueError(f"{name} cannot be {getattr(self, name)!r} in a scene of {self.width}x{self.height}")

    @classmethod
    def of(cls, difficulty: Difficulty, **fields: Any) -> "SceneSettings":
        """Settings of that difficulty. Easy: a large ball of high contrast, nothing that looks like it, no blur."""
        if difficulty not in ("easy", "hard"):
            raise ValueError(f"difficulty must be easy or hard, not {difficulty!r}")
        return cls(**{**(_EASY if difficulty == "easy" else {}), **fields})

    @property
    def ball_diameter_m(self) -> float:
        """0.22 m for a real ball."""
        return PLAYER_HEIGHT_M / self.players_per_ball
