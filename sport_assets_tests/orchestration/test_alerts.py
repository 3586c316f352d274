"""Alerts: what is told, that each is told once, and what a webhook gets when it works, fails or is not there."""

import json
import logging
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import dagster as dg
import pytest

from sport_assets.lineage.checks import CheckResult
from sport_assets.lineage.manifest import Checked, RecordedCheck
from sport_assets.orchestration import alerts, webhook
from sport_assets.orchestration.alerts import Metric, alert_sensor
from sport_assets_tests.orchestration.toy_home import ToyHome
from sport_assets_tests.orchestration.toy_line import MODELS

METRICS = {"toy/evaluation": [Metric("ade"), Metric("accuracy", "higher", 0.1)]}
SENSOR = alert_sensor(METRICS)


class Receiver:
    """A webhook on this machine: keeps what it got, answers with `status`."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self.status = 200
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if receiver.status == 200:
                    receiver.got.append(content)
                self.send_response(receiver.status)
                if receiver.status == 302:
                    self.send_header("Location", "/elsewhere")
                self.end_headers()

            def do_GET(self) -> None:
                receiver.got.append({"redirected": self.path})
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/services/secret-token"
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    made = Receiver()
    monkeypatch.setenv(webhook.WEBHOOK_VARIABLE, made.url)
    yield made
    made.close()


class Watcher:
    """Ticks of the sensor, one after the other, with the cursor that Dagster would keep."""

    def __init__(self, toy: ToyHome, sensor: dg.SensorDefinition = SENSOR) -> None:
        self._toy = toy
        self._sensor = sensor
        self.cursor: str | None = None
        self.skipped = ""

    def tick(self) -> list[str]:
        """What one tick said in the log."""
        said: list[str] = []
        handler = logging.Handler()
        handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
        with self._toy.instance() as dagster:
            context = dg.build_sensor_context(instance=dagster, cursor=self.cursor)
            context.log.addHandler(handler)
            result = self._sensor(context)
            assert isinstance(result, dg.SkipReason)
            self.skipped = result.skip_message or ""
            self.cursor = context.cursor
        return said


@pytest.fixture
def watcher(toy: ToyHome, monkeypatch: pytest.MonkeyPatch) -> Watcher:
    """A sensor that has had its first tick."""
    monkeypatch.delenv(webhook.WEBHOOK_VARIABLE, raising=False)
    made = Watcher(toy)
    assert made.tick() == []
    return made


def evaluated(
    toy: ToyHome, checks: tuple[CheckResult, ...] = (), partition: str | None = "small|0", **facts: Any
) -> str:
    """A record of an evaluation with these facts; its id."""
    with toy.lineage() as lineage, lineage.record("toy/evaluation", partition, code_version="c") as record:
        record.output("evaluation.json").write_text(json.dumps(facts))
        record.check(list(checks))
        return record.publish(facts=facts).materialization.id


def test_tells_nothing_of_what_was_before_and_of_what_is_well(toy: ToyHome) -> None:
    toy.write_day("d1", "x")
    toy.materialize("toy/raw", "d1", raise_on_error=False)
    toy.materialize("toy/clean", "d1", raise_on_error=False)
    watcher = Watcher(toy)
    assert watcher.tick() == []
    assert watcher.skipped == "tells what happens from now on"
    toy.build("toy/clean", "d3")
    assert watcher.tick() == []
    assert watcher.skipped == "0 new alerts"
    assert SENSOR.default_status == dg.DefaultSensorStatus.RUNNING


def test_a_failed_run_is_told_once_with_its_steps_message(toy: ToyHome, watcher: Watcher, receiver: Receiver) -> None:
    run = toy.materialize("toy/clean", "d1", raise_on_error=False)
    [said] = watcher.tick()
    assert said.startswith("toy/clean d1 failed: ")
    assert "toy/raw" in said, "the step's own words"
    [message] = receiver.got
    assert message == {
        "kind": "run_failed",
        "text": said,
        "asset": "toy/clean",
        "partition": "d1",
        "run_id": run.run_id,
        "record": None,
        "details": {},
    }
    assert watcher.tick() == []
    assert len(receiver.got) == 1


def test_a_run_that_was_ended_from_outside_is_told(toy: ToyHome, watcher: Watcher) -> None:
    with toy.instance() as dagster:
        run = dagster.create_run_for_job(dg.job(name="lost")(lambda: None), status=dg.DagsterRunStatus.STARTED)
        dagster.report_run_failed(run, message="The run's process is gone.")
    [said] = watcher.tick()
    assert run.run_id in said
    assert "process is gone" in said


def test_a_training_that_ended_with_nan_is_named(toy: ToyHome, watcher: Watcher, receiver: Receiver) -> None:
    """As `launch` tells of one (`test_launch` trains it): by its exit code."""

    @dg.asset(key=["toy", "checkpoint"], partitions_def=MODELS)
    def checkpoint() -> None:
        raise dg.Failure("nan at step 1", metadata={"exit_code": 3, "spec_digest": "ab"})

    with toy.instance() as dagster:
        dg.materialize([checkpoint], partition_key="small|0", instance=dagster, raise_on_error=False)
    [said] = watcher.tick()
    assert said == (
        "Training of toy/checkpoint small|0 ended with a non-finite loss (NonFiniteLossError): nan at step 1"
    )
    [message] = receiver.got
    assert message["kind"] == "non_finite_loss"
    assert message["details"] == {"exit_code": 3, "spec_digest": "ab"}


def test_a_rejected_version_is_told_once_though_its_run_failed_as_well(
    toy: ToyHome, watcher: Watcher, receiver: Receiver
) -> None:
    toy.write_day("d1", 1, 99, 99, 99)
    toy.materialize("toy/raw", "d1", raise_on_error=True)
    run = toy.materialize("toy/clean", "d1", raise_on_error=False)
    assert not run.success
    [said] = watcher.tick()
    assert said == ("toy/clean d1 failed few_quarantined (3 of 4); it is rejected, and nothing downstream may read it")
    [message] = receiver.got
    assert (message["kind"], message["run_id"]) == ("rejected", run.run_id)
    assert message["record"] == toy.latest("toy/clean", "d1").id
    assert message["details"]["few_quarantined"]["rules"] == {"range": 3}


@pytest.mark.parametrize("blocking", [True, False])
def test_a_model_behind_its_baselines_is_told_also_where_that_only_warns(
    toy: ToyHome, watcher: Watcher, receiver: Receiver, blocking: bool
) -> None:
    evaluated(toy, (CheckResult("beats_baselines", False, blocking, "", 2, 16, {"not_better": 2}),), ade=1.0)
    [said] = watcher.tick()
    assert said.startswith("toy/evaluation small|0 fell behind a baseline in 2 of 16 comparisons")
    assert ("is rejected" in said) == blocking
    assert receiver.got[0]["kind"] == "behind_baseline"


def test_other_checks_that_only_warn_are_not_told(toy: ToyHome, watcher: Watcher) -> None:
    evaluated(toy, (CheckResult("warns", False, blocking=False),), ade=1.0)
    assert watcher.tick() == []


def test_a_check_that_fails_later_is_told(toy: ToyHome, watcher: Watcher) -> None:
    record = evaluated(toy, ade=1.0)
    assert watcher.tick() == []
    leak = RecordedCheck(name="leakage", passed=False, blocking=True, failed=1, checked=9)
    with toy.lineage() as lineage:
        lineage.ledger.append(Checked(subject=record, check=leak))
    [said] = watcher.tick()
    assert said.startswith("toy/evaluation small|0 failed leakage (1 of 9); it is rejected")


def test_a_metric_that_fell_behind_its_predecessor(toy: ToyHome, watcher: Watcher, receiver: Receiver) -> None:
    first = evaluated(toy, ade=1.0, accuracy=0.8, other=1.0)
    evaluated(toy, partition="small|1", ade=9.0, accuracy=0.1)
    assert watcher.tick() == [], "the first of a partition has none before it"
    evaluated(toy, ade=1.04, accuracy=0.73, other=5.0)
    assert watcher.tick() == [], "within the tolerance, and what nobody watches"
    evaluated(toy, ade=0.5, accuracy=0.99)
    assert watcher.tick() == [], "better"
    evaluated(toy, ade=0.6, accuracy=0.8)
    [said] = watcher.tick()
    assert said == (
        "toy/evaluation small|0 fell behind the version before: ade from 0.5 to 0.6, accuracy from 0.99 to 0.8"
    )
    [message] = receiver.got
    assert message["details"]["metrics"]["ade"] == {"before": 0.5, "now": 0.6, "better": "lower", "tolerance": 0.05}
    assert message["details"]["predecessor"] != first


def test_the_predecessor_is_the_last_that_was_not_rejected(toy: ToyHome, watcher: Watcher) -> None:
    evaluated(toy, ade=1.0, accuracy=1)
    evaluated(toy, (CheckResult("parity", False),), ade=0.1, accuracy=1)
    evaluated(toy, ade=1.01, accuracy=1)
    [said] = watcher.tick()
    assert "parity" in said


def test_a_metric_that_is_no_number_any_more_fell(toy: ToyHome, watcher: Watcher, receiver: Receiver) -> None:
    evaluated(toy, ade=1.0, accuracy=1.0)
    evaluated(toy, ade=float("nan"))
    [said] = watcher.tick()
    assert "ade from 1 to NaN, accuracy from 1 to missing" in said
    assert receiver.got[0]["details"]["metrics"]["ade"]["now"] == "NaN"
    evaluated(toy, ade=5.0, accuracy=0.1)
    assert watcher.tick() == [], "and nothing is behind what is no number"


def test_the_log_does_not_wait_for_the_webhook_which_gets_everything_later(
    toy: ToyHome, watcher: Watcher, receiver: Receiver
) -> None:
    receiver.status = 503
    evaluated(toy, (CheckResult("parity", False),), ade=1.0)
    evaluated(toy, (CheckResult("parity", False),), ade=2.0)
    said = watcher.tick()
    assert [text.split(" (")[0] for text in said[:2]] == ["toy/evaluation small|0 failed parity"] * 2
    assert "answered 503 Service Unavailable. 2 wait for the next try" in said[2]
    assert "secret-token" not in "".join(said)
    assert watcher.skipped == "2 new alerts; 2 wait for the webhook"
    [again] = watcher.tick()
    assert "2 wait" in again, "what the log has is not told there twice"
    receiver.status = 200
    assert watcher.tick() == []
    assert len(receiver.got) == 2
    assert watcher.tick() == []
    assert len(receiver.got) == 2


def test_one_message_that_is_refused_does_not_hold_up_the_next(
    toy: ToyHome, watcher: Watcher, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []

    def refuses_the_first(url: str, message: dict[str, Any]) -> None:
        if "parity" in message["text"]:
            raise webhook.DeliveryFailed("it answered 400", unreachable=False)
        sent.append(message["text"])

    monkeypatch.setattr(alerts, "post", refuses_the_first)
    evaluated(toy, (CheckResult("parity", False),), ade=1.0)
    evaluated(toy, (CheckResult("other", False),), ade=1.0)
    watcher.tick()
    assert len(sent) == 1
    assert "1 wait for the webhook" in watcher.skipped
    monkeypatch.setattr(alerts, "KEEP_SECONDS", -1.0)
    [said] = watcher.tick()
    assert "0 wait for the next try; 1 are given up" in said
    assert watcher.tick() == []


@pytest.mark.parametrize("url", ["file:///etc/passwd", "hooks.example.org/secret-token", "http://[::1/secret-token"])
def test_only_http_is_posted_to(toy: ToyHome, watcher: Watcher, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv(webhook.WEBHOOK_VARIABLE, url)
    evaluated(toy, (CheckResult("parity", False),), ade=1.0)
    said = watcher.tick()
    assert "SPORT_ASSETS_ALERT_WEBHOOK is no http(s) URL" in said[1]
    assert "secret-token" not in said[1]


def test_a_redirect_is_a_failure_and_nobody_listening_as_well(receiver: Receiver) -> None:
    receiver.status = 302
    with pytest.raises(webhook.DeliveryFailed, match=r"http://127.0.0.1:\d+ answered 302 Found$"):
        webhook.post(receiver.url, {"text": "a"})
    assert receiver.got == []
    gone = Receiver()
    gone.close()
    with pytest.raises(webhook.DeliveryFailed, match=r"http://127.0.0.1:\d+ cannot be reached"):
        webhook.post(gone.url, {"text": "a"})


@pytest.mark.parametrize("url", ["https://u:secret@h.org:8/secret?secret=1", "http://h.org/a b\nsecret"])
def test_nothing_secret_of_a_url_is_shown(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "secret" not in webhook.shown_url(url)
    with pytest.raises(webhook.DeliveryFailed) as raised:
        webhook.post(url, {"text": "a"}, timeout=0.001)
    assert "secret" not in str(raised.value)


def test_an_altered_record_is_told_and_the_next_one_too(toy: ToyHome, watcher: Watcher) -> None:
    record = evaluated(toy, ade=1.0)
    evaluated(toy, (CheckResult("parity", False),), partition="small|1", ade=1.0)
    [path] = Path(toy.home.records).glob(f"*/{record}.json")
    path.chmod(0o644)
    path.write_bytes(path.read_bytes() + b" ")
    said = watcher.tick()
    assert "altered since it was recorded" in said[0]
    assert "small|1 failed parity" in said[1]
    assert watcher.tick() == []


def test_what_is_left_over_comes_with_the_next_ticks(
    toy: ToyHome, watcher: Watcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts, "RECORDS_PER_TICK", 2)
    monkeypatch.setattr(alerts, "RUNS_PER_TICK", 1)
    for number in range(3):
        evaluated(toy, (CheckResult("parity", False),), partition=f"small|{number}", ade=1.0)
    for _ in range(2):
        toy.materialize("toy/clean", "d1", raise_on_error=False)
    told = [len(watcher.tick()) for _ in range(3)]
    assert told == [3, 2, 0]
