"""The checks of pseudo-labels, of the review queue and of reviewed labels: blocking or not, and what they ask.

Belongs here: their names, for the definitions, which must not load OpenCV or sahi. Must not come here: asking them
(``pseudo_labels``, ``review_queue``, ``reviewed_labels``).
"""

from collections.abc import Mapping

CheckTexts = Mapping[str, tuple[bool, str]]

UNUSABLE_LIMIT = 0.02
"""Largest share of a review's frames that may be left out; a single one never is too many. Left out at random they do
no harm, but a reviewer who draws every ball as a point takes all frames with a ball away."""

PSEUDO_LABELS: CheckTexts = {
    "has_labels": (True, "The teacher, if any was asked for, found at least one player or ball in the video."),
    "most_frames_have_players": (False, "The teacher found a player in at least nine of ten frames."),
    "ball_found": (False, "The teacher found a ball in at least one frame."),
    "degenerate_boxes_dropped": (False, "No box was without area; those that were are dropped."),
    "background_class_dropped": (False, "No detection was of the background class; those that were are dropped."),
    "boxes_inside": (False, "No box reached beyond its image; those that did are cut at its edge."),
}

REVIEW_QUEUE: CheckTexts = {
    "has_frames": (True, "There is at least one frame to review."),
    "balls_in_queue": (False, "At least one frame of the queue has a ball, so that a review can correct balls."),
    "detections_in_all_frames": (False, "The teacher found something in every queued frame, where there is a teacher."),
}

REVIEWED_LABELS: CheckTexts = {
    "has_reviewed_frames": (True, "At least one frame of the video was reviewed."),
    "labels_usable": (False, "Every image and box that came back is one of the video's frames and can be used."),
    "frames_usable": (
        True,
        f"At most {UNUSABLE_LIMIT:.0%} of the frames that came back do not count as reviewed, since they have another "
        "size or a shape that cannot be used.",
    ),
    "queue_reviewed": (False, "Every frame of the review queue came back."),
    "classes_known": (False, "Every box is of a class of this line."),
    "reviewer_known": (False, "It is known who reviewed."),
}
