"""A process that has imported torch and Lightning once and forks a trainer per order, so that a trial costs 1 s.

It reads orders as JSON lines and answers each with one. An order: `args` for `run.main`, `log` (a file for stderr) and
how the trainer dies: `crash` {"at": nth call, "when": "before" or "after"} of the calls that make files durable or
visible (os.replace, os.rename, os.rmdir, os.fsync), or `delay_s` and `signal`, where the delay begins as soon as the
file `after` is there, if one is named. The patches live in the child alone;
the code under test knows nothing of them.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

PATCHED = ("replace", "rename", "rmdir", "fsync")


def child(order: dict[str, Any], ready: int) -> int:
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 2)
    crash = order.get("crash") or {"at": -1, "when": "before"}
    calls = 0

    def counted(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal calls
            calls += 1
            number = calls
            if number == crash["at"] and crash["when"] == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            value = original(*args, **kwargs)
            if number == crash["at"]:
                os.kill(os.getpid(), signal.SIGKILL)
            return value

        return call

    for name in PATCHED:
        setattr(os, name, counted(getattr(os, name)))
    os.write(ready, b".")
    from sport_assets.training import run

    code = run.main(order["args"])
    if "count" in order:
        with open(order["count"], "w") as file:
            file.write(str(calls))
    return code


def await_file(path: str | None, pid: int) -> None:
    """Wait until the file is there or the trainer has ended; its status stays for `serve` to collect."""
    while path and not os.path.exists(path) and not os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
        time.sleep(0.002)


def serve() -> None:
    for line in sys.stdin:
        order = json.loads(line)
        listening, ready = os.pipe()
        pid = os.fork()
        if pid == 0:
            code = 70
            try:
                code = child(order, ready)
            finally:
                os._exit(code)
        os.close(ready)
        os.read(listening, 1)
        os.close(listening)
        if "delay_s" in order:
            await_file(order.get("after"), pid)
            time.sleep(order["delay_s"])
            os.kill(pid, getattr(signal, order["signal"]))
        started = time.monotonic()
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        print(json.dumps({"status": status, "seconds": time.monotonic() - started}), flush=True)


if __name__ == "__main__":
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[variable] = "1"
    from sport_assets.training.process import SAME_BITS

    os.environ |= SAME_BITS
    import torch

    torch.set_num_threads(1)
    import matplotlib.figure  # noqa: F401
    import polars  # noqa: F401

    import sport_assets.training.fit
    import sport_assets.training.tracking  # noqa: F401
    import sport_assets_tests.training.toy  # noqa: F401

    print("ready", flush=True)
    serve()
