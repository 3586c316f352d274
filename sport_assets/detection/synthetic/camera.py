"""The camera of a generated scene: where it stands so that the ball has the wanted sizes, and what it sees where.

Belongs here: projection. Must not come here: what is seen.

The world is in metres: x to the right, y away from the camera along the ground, z up; the origin is on the ground below
the camera. Pixels are edges, not centres: the pixel at the origin covers 0 to 1.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sport_assets.detection.synthetic.settings import SceneSettings

Floats = NDArray[np.float64]

_FIELD_OF_VIEW_RADIANS = np.radians(55.0)
_FAR_ROW, _NEAR_ROW = 0.27, 0.95
"""Where, as shares of the image's height, the far and the near end of the play are on the ground."""
_MARGIN_FAR, _MARGIN_NEAR = 1.12, 1.14
"""How far inside the wanted sizes the ends of the play lie: a ball in the air is nearer, one aside farther."""


@dataclass(frozen=True)
class Camera:
    """A pinhole camera that stands and turns about the vertical (``yaw``, radians, positive to the right)."""

    width: int
    height: int
    focal_pixels: float
    elevation_m: float
    tilt: float
    """Radians below the horizon."""

    def axes(self, yaw: float = 0.0) -> Floats:
        """[3, 3]: rows are the camera's right, down and forward in the world."""
        sin, cos, sin_tilt, cos_tilt = np.sin(yaw), np.cos(yaw), np.sin(self.tilt), np.cos(self.tilt)
        return np.array(
            [
                [cos, -sin, 0.0],
                [-sin * sin_tilt, -cos * sin_tilt, -cos_tilt],
                [sin * cos_tilt, cos * cos_tilt, -sin_tilt],
            ]
        )

    @property
    def matrix(self) -> Floats:
        """[3, 3]: from camera coordinates to pixels."""
        focal = self.focal_pixels
        return np.array([[focal, 0, self.width / 2], [0, focal, self.height / 2], [0, 0, 1.0]])

    def project(self, points: Floats, yaw: float = 0.0) -> tuple[Floats, Floats]:
        """Pixels [..., 2] and depth [...] in metres along the optical axis of points [..., 3]."""
        seen = (points - np.array([0.0, 0.0, self.elevation_m])) @ self.axes(yaw).T
        depth = seen[..., 2]
        return seen[..., :2] * (self.focal_pixels / depth[..., None]) + [self.width / 2, self.height / 2], depth

    def turned(self, yaw: float) -> Floats:
        """[3, 3]: homography from pixels of the camera at yaw 0 to pixels of the camera at ``yaw``."""
        return self.matrix @ self.axes(yaw) @ self.axes().T @ np.linalg.inv(self.matrix)

    def ground(self) -> Floats:
        """[3, 3]: homography from (x, y) on the ground in metres to pixels at yaw 0."""
        return self.matrix @ self.axes() @ np.diag([1.0, 1.0, -self.elevation_m])

    def half_width_m(self, y: Floats | float) -> Floats:
        """Half of what the camera at yaw 0 sees of the ground at that distance, in metres."""
        depth = np.asarray(y) * np.cos(self.tilt) + self.elevation_m * np.sin(self.tilt)
        return np.asarray(depth * self.width / (2 * self.focal_pixels))


def place(settings: SceneSettings) -> tuple[Camera, float, float]:
    """The camera, and the distances y (metres) of the near and the far end of the play.

    A ball of diameter D at depth z is f D / z pixels wide: that gives the depths of both ends. With the rows in which
    they are to lie, both ends are known in camera coordinates, and one tilt and elevation puts both on the ground.
    """
    smallest, largest = settings.ball_pixels
    focal = settings.width / (2 * np.tan(_FIELD_OF_VIEW_RADIANS / 2))
    room = min(1.0, np.sqrt(largest / smallest / 1.3 / (_MARGIN_FAR * _MARGIN_NEAR)))  # narrow ranges: smaller margins
    depths = focal * settings.ball_diameter_m / np.array([smallest * _MARGIN_FAR * room, largest / _MARGIN_NEAR / room])
    down = (np.array([_FAR_ROW, _NEAR_ROW]) - 0.5) * settings.height * depths / focal
    tilt = float(np.arctan((down[1] - down[0]) / (depths[0] - depths[1])))
    elevation = float(down[1] * np.cos(tilt) + depths[1] * np.sin(tilt))
    far, near = (depths * np.cos(tilt) - down * np.sin(tilt)).tolist()
    return Camera(settings.width, settings.height, float(focal), elevation, tilt), near, far
