"""Small match files written by hand, for tests that change them; and archives of them."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ONE, TWO = "Albia", "Brennia"
PLAYERS = {ONE: [f"A{n}" for n in range(11)], TWO: [f"B{n}" for n in range(11)]}
IDS = {name: f"{number:08x}" for number, name in enumerate([*PLAYERS[ONE], *PLAYERS[TWO]], start=1)}

Content = dict[str, Any]


def ball(
    runs: int = 0,
    *,
    batter: str = "A0",
    bowler: str = "B10",
    non_striker: str = "A1",
    out: Sequence[tuple[str, str]] = (),
    non_boundary: bool = False,
    **extras: int,
) -> Content:
    """A delivery: runs off the bat, extras by name, and (kind, player out) of each entry among its wickets."""
    added = sum(extras.values())
    scored: Content = {"batter": runs, "extras": added, "total": runs + added}
    if non_boundary:
        scored["non_boundary"] = True
    delivery: Content = {"batter": batter, "bowler": bowler, "non_striker": non_striker, "runs": scored}
    if extras:
        delivery["extras"] = extras
    if out:
        delivery["wickets"] = [{"kind": kind, "player_out": player} for kind, player in out]
    return delivery


def innings(team: str = ONE, *overs: Sequence[Content], count: int = 2, powerplay: float = 5.6, **more: Any) -> Content:
    """An innings of the given overs, or of ``count`` overs of six singles each."""
    strikers: Content = {
        "batter": f"{team[0]}0",
        "non_striker": f"{team[0]}1",
        "bowler": "B10" if team == ONE else "A10",
    }
    given = list(overs) or [[ball(1, **strikers) for _ in range(6)] for _ in range(count)]
    return {
        "team": team,
        "overs": [{"over": number, "deliveries": list(each)} for number, each in enumerate(given)],
        "powerplays": [{"from": 0.1, "to": powerplay, "type": "mandatory"}],
        **more,
    }


def match(*played: Content, **info: Any) -> Content:
    """A match of the given innings, or of two of two overs; ``info`` replaces parts of its info."""
    first = innings(ONE)
    target = {"overs": 20, "runs": 13}
    return {
        "meta": {"data_version": "1.1.0", "created": "2024-05-01", "revision": 1},
        "info": {
            "balls_per_over": 6,
            "city": "Brenn",
            "dates": ["2024-05-01"],
            "event": {"name": "A tour", "match_number": 1},
            "gender": "male",
            "match_type": "T20",
            "outcome": {"winner": ONE, "by": {"runs": 3}},
            "overs": 20,
            "players": PLAYERS,
            "registry": {"people": IDS},
            "season": "2024",
            "team_type": "international",
            "teams": [ONE, TWO],
            "toss": {"decision": "bat", "winner": ONE},
            "venue": "Old Meadow",
            **info,
        },
        "innings": list(played) or [first, innings(TWO, target=target)],
    }


def data(content: Content) -> bytes:
    """The bytes of its file."""
    return json.dumps(content).encode()


def write(folder: Path, files: Mapping[str, Content | bytes]) -> list[Path]:
    """Match files by id, loose in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for match_id, content in files.items():
        paths.append(folder / f"{match_id}.json")
        paths[-1].write_bytes(content if isinstance(content, bytes) else data(content))
    return paths


def pack(path: Path, files: Mapping[str, Content | bytes], folder: str = "t20s") -> Path:
    """Match files by id in an archive, by its suffix: zip, tar, tar.gz or tar.zst."""
    path.parent.mkdir(parents=True, exist_ok=True)
    named = {f"{folder}/{name}.json": c if isinstance(c, bytes) else data(c) for name, c in files.items()}
    named[f"{folder}/README.txt"] = b"not a match"
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in named.items():
                archive.writestr(name, content)
        return path
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in named.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    packed = buffer.getvalue()
    if path.name.endswith((".tar.gz", ".tgz")):
        packed = gzip.compress(packed, mtime=0)
    if path.name.endswith(".zst"):
        import zstandard

        packed = zstandard.ZstdCompressor().compress(packed)
    path.write_bytes(packed)
    return path
