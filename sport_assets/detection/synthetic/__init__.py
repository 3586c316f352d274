"""Generated match scenes with exact truth: videos with events, and small data sets of images.

The rooms: `settings` (what a scene is like), `play` (who is where, what happens to the ball), `camera` (projection),
`look` (colours), `pitch` (what does not move), `silhouettes` (shapes of people and the ball), `layers` (what covers
what, and what is seen of it), `scene` (frames with truth), `sample` (videos, events and truth as files), `defects`
(damage on purpose), `images` (COCO data sets of small images). Nothing here reads or checks data.
"""

from sport_assets.detection.synthetic.scene import FrameTruth, ObjectTruth, Scene
from sport_assets.detection.synthetic.settings import SceneSettings

__all__ = ["FrameTruth", "ObjectTruth", "Scene", "SceneSettings"]
