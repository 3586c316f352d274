"""The review queue as one page to look at in a browser: pictures with boxes, why each was chosen, and filters.

Belongs here: the page. Must not come here: choosing frames (``review_queue``). The page needs nothing beside itself: no
network, no other file; pictures are small JPEGs inside it.
"""

import base64
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import polars as pl
from numpy.typing import NDArray

from sport_assets.detection.categories import BALL
from sport_assets.detection.coco import Labels
from sport_assets.detection.errors import BadInputError
from sport_assets.detection.pictures import read_picture

GALLERY_FILE = "gallery.html"
MOST_BYTES = 20_000_000
"""The page stays below: browsers open that at once."""
_WIDTHS = (640, 480, 360, 280, 200, 140)
_CROP_SIDE = 96
_QUALITY = 70
_SHELL_BYTES = 200_000

Picture = NDArray[np.uint8]


def write_gallery(queue: pl.DataFrame, labels: Labels, frames: Path, path: Path, key: str) -> None:
    """Write the page for a queue (``review_queue.QUEUE_COLUMNS``) and its labels, images in the order of rank.

    ``frames``: the folder that file names are relative to; ``key``: the video's name. Pictures become smaller until the
    page is below ``MOST_BYTES``. Raises ``BadInputError`` for a picture that cannot be read.
    """
    room = MOST_BYTES - _SHELL_BYTES - 120 * len(labels.boxes) - 600 * len(queue)
    for width in _WIDTHS:
        entries, used = [], 0
        boxes = labels.boxes.partition_by("image", as_dict=True)
        for row, image in zip(queue.iter_rows(named=True), labels.images.iter_rows(named=True), strict=True):
            mine = boxes.get((image["image"],), labels.boxes.clear())
            entry = _entry(row, image, mine, frames / row["file"], width)
            used += len(entry["picture"]) + len(entry.get("crop", ""))
            entries.append(entry)
            if used > room and width != _WIDTHS[-1]:
                break
        else:
            break
    names = {str(number): name for number, name in labels.categories.items()}
    # "</" must not end the script early, whatever a file is called
    data = json.dumps({"video": key, "categories": names, "frames": entries}, sort_keys=True).replace("</", "<\\/")
    path.write_text(_PAGE.replace("__DATA__", data), encoding="utf-8")


def _entry(row: dict[str, Any], image: dict[str, Any], boxes: pl.DataFrame, file: Path, width: int) -> dict[str, Any]:
    picture = read_picture(file)
    if picture is None:
        raise BadInputError(f"{file}: the picture cannot be read. Make the frames again.")
    height = max(1, round(width * image["height"] / image["width"]))
    small = np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    shown = [
        [round(box[name], 1) for name in ("x", "y", "width", "height")] + [box["category"], box["score"]]
        for box in boxes.iter_rows(named=True)
    ]
    entry = {
        name: row[name]
        for name in ("rank", "frame", "file", "worth", "unsure", "ball", "disagreement", "unlike", "event", "reasons")
    }
    entry |= {"width": image["width"], "height": image["height"], "boxes": shown, "picture": _jpeg(small)}
    balls = boxes.filter(pl.col("category") == BALL).sort("score", descending=True, nulls_last=False)
    for ball in balls.head(1).iter_rows(named=True):
        entry["crop"] = _jpeg(_around(np.asarray(picture, np.uint8), ball))
    return entry


def _around(picture: Picture, box: dict[str, Any]) -> Picture:
    """The surroundings of a ball, enlarged: in a small picture it cannot be seen."""
    half = max(16, round(2 * max(box["width"], box["height"])))
    x, y = round(box["x"] + box["width"] / 2), round(box["y"] + box["height"] / 2)
    padded = cv2.copyMakeBorder(picture, half, half, half, half, cv2.BORDER_REPLICATE)
    part = padded[y : y + 2 * half, x : x + 2 * half]
    return np.asarray(cv2.resize(part, (_CROP_SIDE, _CROP_SIDE), interpolation=cv2.INTER_CUBIC), np.uint8)


def _jpeg(picture: Picture) -> str:
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return base64.b64encode(data.tobytes()).decode("ascii")


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Review queue</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root { color-scheme: light dark; --line: #8884; --player: #2b8cff; --ball: #ff3b30; --other: #ffb300 }
body { font: 15px/1.45 system-ui, sans-serif; margin: 0 }
header { position: sticky; top: 0; background: Canvas; border-bottom: 1px solid var(--line); padding: .6rem 1rem;
  display: flex; gap: 1rem; flex-wrap: wrap; align-items: center; z-index: 1 }
h1 { font-size: 1.1rem; margin: 0 }
main { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 24rem), 1fr)); gap: 1rem;
  padding: 1rem }
figure { margin: 0; border: 1px solid var(--line); border-radius: .5rem; overflow: hidden }
.picture { position: relative } .picture img { width: 100%; display: block }
.picture svg { position: absolute; inset: 0; width: 100%; height: 100% }
.picture .crop { position: absolute; right: .3rem; bottom: .3rem; width: 22%; border: 2px solid var(--ball) }
rect { fill: none; vector-effect: non-scaling-stroke; stroke-width: 1.5; stroke: var(--other) }
rect.player { stroke: var(--player) } rect.ball { stroke: var(--ball); stroke-width: 2.5 }
rect.doubtful { stroke-dasharray: 4 3 }
figcaption { padding: .5rem .7rem } figcaption small { opacity: .75; display: block }
.hidden .boxes { display: none } label { white-space: nowrap }
</style></head><body>
<header><h1></h1>
<label><input type="checkbox" id="ball"> with a ball</label>
<label><input type="checkbox" id="doubt"> with doubtful detections</label>
<label><input type="checkbox" id="empty"> without detections</label>
<label>least score <input type="range" id="least" min="0" max="1" step="0.05" value="0"> <output>0</output></label>
<label>order <select id="order"><option value="rank">rank</option><option value="frame">frame</option>
<option value="unsure">doubt</option><option value="disagreement">disagreement</option></select></label>
<label><input type="checkbox" id="boxes" checked> boxes</label>
<span id="count"></span></header><main></main>
<script type="application/json" id="data">__DATA__</script>
<script>
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const by = id => document.getElementById(id), main = document.querySelector("main");
document.querySelector("h1").textContent = "Review queue of " + data.video;
document.title = "Review queue of " + data.video;
const NS = "http://www.w3.org/2000/svg";
function make(name, text, kind) {
  const element = document.createElement(name);
  if (text !== undefined) element.textContent = text;
  if (kind) element.className = kind;
  return element;
}
function card(frame) {
  const figure = make("figure"), holder = make("div", undefined, "picture"), image = make("img");
  image.src = "data:image/jpeg;base64," + frame.picture; image.loading = "lazy"; image.alt = "frame " + frame.frame;
  const svg = document.createElementNS(NS, "svg");
  svg.setAttribute("viewBox", `0 0 ${frame.width} ${frame.height}`); svg.setAttribute("class", "boxes");
  for (const [x, y, width, height, category, score] of frame.boxes) {
    const rect = document.createElementNS(NS, "rect"), title = document.createElementNS(NS, "title");
    for (const [name, value] of Object.entries({x, y, width, height})) rect.setAttribute(name, value);
    const name = data.categories[category];
    rect.setAttribute("class", name + (score !== null && score <= 0.4 ? " doubtful" : ""));
    rect.dataset.score = score === null ? 1 : score;
    title.textContent = name + (score === null ? "" : " " + score.toFixed(2));
    rect.append(title); svg.append(rect);
  }
  holder.append(image, svg);
  if (frame.crop) {
    const crop = make("img", undefined, "crop");
    crop.src = "data:image/jpeg;base64," + frame.crop; crop.alt = "the surest ball, enlarged"; holder.append(crop);
  }
  const caption = make("figcaption", `${frame.rank}. frame ${frame.frame}: ${frame.reasons}`);
  const parts = ["worth", "unsure", "ball", "disagreement", "unlike"].map(n => `${n} ${frame[n].toFixed(2)}`);
  caption.append(make("small", parts.join(" \\u00b7 ")), make("small", frame.file));
  figure.append(holder, caption);
  return figure;
}
const cards = new Map(data.frames.map(frame => [frame, card(frame)]));
function show() {
  const least = Number(by("least").value), key = by("order").value;
  document.querySelector("output").textContent = least.toFixed(2);
  main.classList.toggle("hidden", !by("boxes").checked);
  const seen = data.frames.filter(frame => {
    const scores = frame.boxes.filter(box => (box[5] === null ? 1 : box[5]) >= least);
    return (!by("ball").checked || scores.some(box => data.categories[box[4]] === "ball"))
      && (!by("doubt").checked || scores.some(box => box[5] !== null && box[5] <= 0.4))
      && (!by("empty").checked || !scores.length);
  });
  const up = key === "rank" || key === "frame" ? 1 : -1;
  seen.sort((a, b) => up * (a[key] - b[key]) || a.rank - b.rank);
  main.replaceChildren(...seen.map(frame => cards.get(frame)));
  for (const rect of document.querySelectorAll("rect")) rect.style.display = rect.dataset.score >= least ? "" : "none";
  by("count").textContent = `${seen.length} of ${data.frames.length} frames`;
}
for (const id of ["ball", "doubt", "empty", "least", "order", "boxes"]) by(id).addEventListener("input", show);
show();
</script></body></html>
"""
