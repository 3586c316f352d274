"""One training: from a spec to the files of its result.

Belongs here: putting builder, loaders, Lightning and callbacks together. Must not be here: process matters
(environment, signals, lease: `run`), any sport.
"""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pytorch_lightning as pl
import torch

from sport_assets.lineage.row_index import save as save_row_index
from sport_assets.training.averaging import WeightAveraging, averaged
from sport_assets.training.checkpoints import (
    LAST_WEIGHTS,
    SPEC,
    STATE,
    WEIGHTS,
    best_weights,
    json_bytes,
    top_weights,
    weight_bytes,
)
from sport_assets.training.curves import Curves, curve_files
from sport_assets.training.data import EpochLoader, ValidationLoader
from sport_assets.training.epoch_files import EpochFiles
from sport_assets.training.errors import BadSpecError
from sport_assets.training.job import TrainingJob, build_job
from sport_assets.training.loops import ResumableFitLoop
from sport_assets.training.monitor import Monitor
from sport_assets.training.optim import adamw_with_schedule, rebase_schedule
from sport_assets.training.progress import Progress, Reporter
from sport_assets.training.resume import Resume, StateFileIO, StopRequest, find_checkpoint, in_loop
from sport_assets.training.spec import TrainerSettings, TrainingSpec, published_digest
from sport_assets.training.state import pack, read_structure, unpack, unseal
from sport_assets.training.strategies import keeps_optimizer, make_strategy, missing_for


@dataclass
class Fitted:
    """What a training gave. `files` go into the result folder, `report` into result.json (not versioned)."""

    files: dict[str, bytes]
    report: dict[str, Any]
    rows: list[dict[str, Any]] = field(default_factory=list)


def device_of(spec: TrainingSpec) -> tuple[str, int | list[int]]:
    """Lightning's `accelerator` and `devices` for a spec: a number of processes on the CPU, else GPUs by number.

    `training.devices` GPUs are taken, from the one that the spec names (else the first) upwards. Raises `BadSpecError`
    where one of them is not there.
    """
    count = spec.trainer_settings.devices
    kind = spec.device
    if kind == "auto":
        kind = "cuda" if torch.cuda.is_available() else "cpu"
    if kind == "cpu":
        return "cpu", count
    if not torch.cuda.is_available():
        raise BadSpecError(f"the spec wants {spec.device}, but this machine has no usable GPU; set device cpu or auto")
    first, present = int(kind.partition(":")[2] or 0), torch.cuda.device_count()
    if first + count > present:
        wanted = kind if count == 1 else f"{count} GPUs from cuda:{first} on (training.devices={count})"
        raise BadSpecError(f"the spec wants {wanted}, but this machine has {present} GPU(s), counted from cuda:0")
    return "cuda", list(range(first, first + count))


def device_names(accelerator: str, devices: int | list[int]) -> list[str]:
    """The devices of one machine that a training uses, one for each of its processes there."""
    return [accelerator] * devices if isinstance(devices, int) else [f"{accelerator}:{number}" for number in devices]


def bit_exactness(spec: TrainingSpec, accelerator: str) -> tuple[bool, str]:
    """Whether the same spec gives the same bits again, and why not."""
    settings = spec.trainer_settings
    reasons = []
    if accelerator != "cpu":
        reasons.append("trained on a GPU")
    if spec.threads != 1:
        reasons.append(f"{spec.threads} threads")
    if settings.devices * settings.num_nodes > 1:
        reasons.append(f"{settings.devices * settings.num_nodes} processes")
    if not settings.deterministic:
        reasons.append("deterministic algorithms turned off")
    return not reasons, ", ".join(reasons)


def fit(
    spec: TrainingSpec,
    work: Path,
    reporter: Reporter,
    stop: StopRequest,
    make_trackers: Callable[[Curves, dict[str, Any]], Sequence[pl.Callback]] | None = None,
) -> Fitted:
    """Train, or go on with what `work` holds, and return the result's files (on rank 0; elsewhere none).

    Raises the errors of `errors`; on every one of them the last good checkpoint in `work` stays.
    """
    settings = spec.trainer_settings
    accelerator, devices = device_of(spec)
    missing = missing_for(settings.strategy, accelerator, spec.wanted_precision)
    if missing is not None:
        raise BadSpecError(missing)
    precision = spec.wanted_precision
    if precision == "16-mixed" and accelerator == "cpu":
        reporter.warning("precision 16-mixed needs a GPU; training with 32 on the CPU (recorded in the result)")
        precision = "32"
    exact, reason = bit_exactness(spec, accelerator)
    _quieten()
    pl.seed_everything(spec.seed, workers=True, verbose=False)
    job = build_job(spec)
    monitor_name, mode = _monitored(spec, job)

    continued = _continued_folder(spec)
    checkpoint = find_checkpoint(work, reporter.warning) if keeps_optimizer(settings.strategy) else None
    from_finished = checkpoint is None and continued is not None
    averaging = None if settings.weight_averaging is None else WeightAveraging(settings.weight_averaging)
    monitor = Monitor(
        work / "best",
        settings,
        monitor_name,
        mode,
        chooses=spec.chooses_epoch,
        weights=averaging.weights if averaging else None,
    )
    curves = Curves()
    epoch_files = EpochFiles(work, settings, averaging.weights if averaging else None)

    def saved() -> None:
        monitor.checkpoint_saved()
        epoch_files.checkpoint_saved()

    resume = Resume(
        work,
        digest=spec.digest,
        every_s=settings.checkpoint_every_s,
        stop=stop,
        say=reporter.info,
        continued_from=continued if from_finished else None,
        saved=saved,
    )
    used: dict[str, Any] = {
        "accelerator": accelerator,
        "devices": device_names(accelerator, devices),
        "processes": settings.devices * settings.num_nodes,
        "effective_batch_size": settings.effective_batch_size,
        "precision": precision,
        "bit_exact": exact,
        "not_bit_exact_because": reason or None,
        "parameters": sum(p.numel() for p in job.module.parameters()),
        "train_samples": len(job.train),
        "validation_samples": 0 if job.valid is None else len(job.valid),
    }
    callbacks: list[pl.Callback] = [*([averaging] if averaging else []), monitor, curves, epoch_files, resume]
    callbacks.append(Progress(reporter, work / "progress.json", monitor_name, settings.max_epochs))
    trainer = pl.Trainer(
        accelerator=accelerator,
        devices=devices,
        num_nodes=settings.num_nodes,
        strategy=make_strategy(settings.strategy),
        precision=precision,  # type: ignore[arg-type]
        max_epochs=settings.max_epochs,
        min_epochs=settings.min_epochs,
        accumulate_grad_batches=settings.accumulate_grad_batches,
        gradient_clip_val=settings.gradient_clip_val,
        deterministic=settings.deterministic,
        benchmark=settings.benchmark,
        callbacks=callbacks,
        plugins=[StateFileIO()],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        inference_mode=False,
        default_root_dir=work,
    )
    trainer.fit_loop = ResumableFitLoop(trainer, resume, min_epochs=settings.min_epochs, max_epochs=settings.max_epochs)
    if make_trackers is not None and trainer.is_global_zero:
        callbacks += make_trackers(curves, used)
    if settings.effective_batch_size != settings.batch_size:
        reporter.info(
            f"effective batch {settings.effective_batch_size}: {settings.batch_size} samples on each of "
            f"{settings.devices * settings.num_nodes} processes, {settings.accumulate_grad_batches} batches a step"
        )
    train, valid = _loaders(job, spec, trainer)
    steps_per_epoch = -(-len(train) // settings.accumulate_grad_batches)
    own_optimizer = type(job.module).configure_optimizers is pl.LightningModule.configure_optimizers
    if own_optimizer:
        give = partial(adamw_with_schedule, job.module, settings, steps_per_epoch)
        job.module.configure_optimizers = give  # type: ignore[method-assign,assignment]
    if trainer.global_rank > 0:
        # the same weights on every rank (DDP sends rank 0's), but other dropout masks
        torch.manual_seed(spec.seed + trainer.global_rank)
    if from_finished:
        assert continued is not None
        checkpoint = continued / STATE
        _check_continuation(continued, spec)
        reporter.info(f"continues the finished training {spec.resume_from}")
        callbacks.append(_Continuation(monitor, continued, settings if own_optimizer else None))
    elif checkpoint is not None:
        reporter.info(f"resumes from {checkpoint.name}")
    trainer.callbacks = callbacks  # type: ignore[attr-defined]
    with in_loop(stop):
        trainer.fit(job.module, train, valid, ckpt_path=checkpoint, weights_only=True)
    report = {
        **used,
        "spec_digest": spec.digest,
        "precision_wanted": spec.wanted_precision,
        "device": spec.device,
        "threads": spec.threads,
        "epochs": len(curves.rows),
        "steps": trainer.global_step,
        "part": spec.part,
        "monitor": monitor_name,
        "selected": monitor.selected,
        "published_epoch": monitor.published_epoch,
        "published_value": monitor.published_value,
        **_best(curves.rows, monitor_name, mode),
        "top_epochs": [epoch for _, epoch in monitor.top],
        "best_epochs_by": {name: epoch for name, (_, epoch) in monitor.best_by.items()},
        "stopped_early": monitor.stopped_early,
        "resumed_at_step": resume.resumed_at_step,
        "checkpoints_written": resume.checkpoints_written,
        "checkpoint_seconds": round(resume.checkpoint_seconds, 4),
    }
    if not trainer.is_global_zero:
        return Fitted({}, report)
    # in the working folder, not among the files: the same weights have the same files, whatever else is said of them
    report["row_index"] = None if job.identifiers is None else save_row_index(work, job.identifiers)
    return Fitted(_result_files(spec, work, monitor, curves.rows), report, curves.rows)


def _monitored(spec: TrainingSpec, job: TrainingJob) -> tuple[str, Literal["min", "max"]]:
    """The monitored metric and whether less of it is better."""
    settings = spec.trainer_settings
    if spec.part == "all" and job.valid is not None:
        raise BadSpecError(f"part 'all' trains on everything, but the builder {spec.builder!r} gave validation samples")
    if job.valid is None and not (spec.chooses_epoch and settings.monitor):
        return "train_loss", settings.monitor_mode or "min"
    return settings.monitor or job.monitor, settings.monitor_mode or job.mode


def _best(rows: list[dict[str, Any]], name: str, mode: Literal["min", "max"]) -> dict[str, Any]:
    """The best epoch of the curves; not the published one where the last is published."""
    best = (min if mode == "min" else max)(rows, key=lambda row: row[name])
    return {"best_epoch": best["epoch"], "best_value": best[name]}


def _loaders(job: TrainingJob, spec: TrainingSpec, trainer: pl.Trainer) -> tuple[EpochLoader, ValidationLoader | None]:
    settings = spec.trainer_settings
    world = trainer.world_size
    train = EpochLoader(
        job.train,
        batch_size=settings.batch_size,
        seed=spec.seed,
        epoch=lambda: trainer.current_epoch,
        rank=lambda: trainer.global_rank,
        world=world,
        weights=job.sample_weights,
    )
    if job.valid is None:
        return train, None
    batch_size = settings.validation_batch_size or settings.batch_size
    return train, ValidationLoader(job.valid, batch_size=batch_size, rank=lambda: trainer.global_rank, world=world)


def _result_files(spec: TrainingSpec, work: Path, monitor: Monitor, rows: list[dict[str, Any]]) -> dict[str, bytes]:
    """All from what is on disk, so that a run killed while publishing publishes the same when started again."""
    state = unpack(unseal(work / "last.ckpt"))
    files = {
        WEIGHTS: monitor.weights_path(monitor.published_epoch).read_bytes(),
        STATE: pack(state),
        SPEC: json_bytes({**spec.identity(), "digest": spec.digest}),
        "settings.json": json_bytes(spec.identity()["settings"]),
        **curve_files(rows, f"{spec.line} {spec.model} seed {spec.seed}"),
    }
    for place, (_, epoch) in enumerate(monitor.top[1:], start=2):
        files[top_weights(place)] = monitor.weights_path(epoch).read_bytes()
    for metric, (_, epoch) in monitor.best_by.items():
        files[best_weights(metric)] = monitor.weights_path(epoch).read_bytes()
    if spec.trainer_settings.save_last:
        files[LAST_WEIGHTS] = weight_bytes(averaged(state))
    return files


def _continued_folder(spec: TrainingSpec) -> Path | None:
    if spec.resume_from is None:
        return None
    for item in spec.inputs:
        if item.path is None:
            continue
        folder = Path(item.path)
        if spec.resume_from in (item.version, published_digest(folder)):
            if not (folder / STATE).exists():
                raise BadSpecError(f"resume_from: {item.key} {item.version} has no {STATE}; it is not a training")
            return folder
    versions = ", ".join(f"{item.key} {item.version}" for item in spec.inputs)
    raise BadSpecError(f"resume_from {spec.resume_from} is none of the inputs with a path: {versions}")


def _check_continuation(folder: Path, spec: TrainingSpec) -> None:
    max_epochs = spec.trainer_settings.max_epochs
    epochs = len(read_structure(folder / STATE)["callbacks"]["Curves"]["rows"])
    if max_epochs <= epochs:
        raise BadSpecError(
            f"the training to continue has {epochs} epochs already; set training.max_epochs above that "
            f"(it is {max_epochs}, counted from the first training's start)"
        )
    theirs = json.loads((folder / SPEC).read_text(encoding="utf-8"))
    for strategy in (theirs["settings"]["training"]["strategy"], spec.trainer_settings.strategy):
        if not keeps_optimizer(strategy):
            raise BadSpecError(
                f"a training with strategy {strategy} keeps no optimizer state, so none goes on from it or with it: "
                "train anew, or use strategy ddp for both"
            )
    part = theirs.get("part", "split")
    if part != spec.part:
        raise BadSpecError(
            f"the training to continue read the part {part!r} of its data, this one reads {spec.part!r}: what it holds "
            "out may have been trained on. Train anew"
        )


class _Continuation(pl.Callback):
    """Makes a finished training's state the start of this one."""

    def __init__(self, monitor: Monitor, folder: Path, rebase: TrainerSettings | None) -> None:
        self._monitor = monitor
        self._folder = folder
        self._rebase = rebase

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep its best epoch; go on under this spec's schedule."""
        self._monitor.continue_from(self._folder / WEIGHTS)
        if self._rebase is not None:
            rebase_schedule(trainer.optimizers[0], trainer.lr_scheduler_configs[0].scheduler, self._rebase)


def _quieten() -> None:
    """Lightning's tips are not for our users; its warnings about loaders do not apply to ours."""
    for name in ("pytorch_lightning", "lightning_fabric", "pytorch_lightning.utilities.rank_zero"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    warnings.filterwarnings("ignore", message=".*have no `val_dataloader`.*")  # a final fit on everything
    warnings.filterwarnings("ignore", message=".*LeafSpec.*", category=FutureWarning)
