"""A process that loads the lineage once and forks a child per order, so that hundreds of crashes take seconds.

Orders are JSON lines on standard input, answers JSON lines on standard output. Run by ``harness.Launcher``.
Belongs here: forking, and waiting for how a child ended. Must not come here: what the child does (``scenarios``).
"""

import json
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sport_assets.lineage.raw
from sport_assets.lineage.environment import environment
from sport_assets.lineage.home import Home
from sport_assets.lineage.record import Lineage
from sport_assets_tests.integration.crash.points import Points
from sport_assets_tests.integration.crash.scenarios import SCENARIOS, TABLE


def _act(order: dict[str, Any], home: Home) -> None:
    """Run a scenario with its crash points; reached the end alive, it writes the names of the points it passed."""
    points = Points(home.root, Path(order["marker"]), order.get("index"), order.get("side", "before"))
    points.install()
    SCENARIOS[order["scenario"]].act(home)
    Path(order["passed"]).write_text(json.dumps(points.names), encoding="utf-8")


def _publish_on(order: dict[str, Any], home: Home) -> None:
    """The live neighbour: publishes one partition after the other, and logs each, until it is told to stop."""
    lineage = Lineage(home)
    number = 0
    with Path(order["log"]).open("a", encoding="utf-8") as log:
        while not Path(order["stop"]).exists():
            with lineage.record("nfl/neighbour", f"n{number}", code_version="1") as record:
                table = record.read(TABLE, None).path("table.txt").read_bytes()
                record.output("table.txt").write_bytes(b"%d " % number + table)
                made = record.publish()
            log.write(f"{made.materialization.id} {made.materialization.version}\n")
            log.flush()
            number += 1


def _fork(work: Callable[[dict[str, Any], Home], None], order: dict[str, Any]) -> int:
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        work(order, Home(root=Path(order["root"]), data=Path(order["data"])))
        code = 0
    except Exception:  # noqa: BLE001  # the child must end here, and say why
        traceback.print_exc()
    finally:
        os._exit(code)


def main() -> None:
    """Serve orders until standard input ends."""
    # What depends on the clock would make the count of calls differ: every raw hash is kept at once.
    sport_assets.lineage.raw._SETTLED_NS = -(10**18)
    environment()  # asked once, so that no child starts git
    for line in sys.stdin:
        order = json.loads(line)
        if order["do"] == "act":
            answer = os.waitpid(_fork(_act, order), 0)[1]
        elif order["do"] == "neighbour":
            answer = _fork(_publish_on, order)
        else:
            answer = os.waitpid(order["process"], 0)[1]
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
