"""Generated match scenes with exact truth: videos with events, and data sets of small images.

The rooms: `settings` (what a scene is like), `play` (who is where, what happens to the ball), `camera` (projection),
`look` (colours), `pitch` (what does not move), `silhouettes` (shapes of people and the ball), `layers` (what covers
what, and what is seen of it), `scene` (frames with truth), `coco_truth` (truth as labels), `encoding` (video files),
`sample` (videos, events and truth as raw files), `defects` (damage on purpose), `images` (data sets of images).
Nothing here reads or checks data.
"""

from sport_assets.detection.synthetic.images import ImageSet, small_settings, write_dataset
from sport_assets.detection.synthetic.sample import Sample, generate
from sport_assets.detection.synthetic.scene import FrameTruth, ObjectTruth, Scene
from sport_assets.detection.synthetic.settings import SceneSettings

__all__ = [
    "FrameTruth",
    "ImageSet",
    "ObjectTruth",
    "Sample",
    "Scene",
    "SceneSettings",
    "generate",
    "small_settings",
    "write_dataset",
]
