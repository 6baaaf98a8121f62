"""Engines run jobs: in this process, or as tasks of Ray, which places and repeats them."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import click
import torch

from vlprompt_pipeline.error_log import first_line
from vlprompt_pipeline.errors import reason_of
from vlprompt_pipeline.sweep.job import Job, Outcome, TransientError
from vlprompt_pipeline.sweep.worker import run_job
from vlprompt_pipeline.wording import counted

RAY_NEEDED = (
    "--engine=ray needs Ray, which is not installed: pip install 'vlprompt_pipeline[ray]' "
    "(-c constraints.txt), or leave --engine=local"
)
RAY_VARIABLES = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_raylet_start_wait_time_s": "300",  # a busy machine is slow
    "RAY_agent_register_timeout_ms": "300000",
    "RAY_task_oom_retries": "0",  # Ray would ask for the same memory
    "RAY_grpc_client_keepalive_time_ms": "20000",  # else a node that is cut off, and closes no
    "RAY_grpc_client_keepalive_timeout_ms": "20000",  # connection, holds its cell for 7 minutes
}
"""Settings of Ray for sweeps; what the environment sets already is kept."""
_CONNECTION = 20.0  # seconds for a head to accept a connection
_LOOK = 0.5  # seconds to wait for a job before the user's interrupt is heeded


class Engine(Protocol):
    """Runs jobs, one or many at once."""

    def has_room(self) -> bool:
        """Say whether another job may be started now."""

    def start(self, job: Job) -> None:
        """Start a job, or note it to be run by `ended`."""

    def ended(self) -> Iterator[tuple[Job, Outcome]]:
        """Yield jobs that have ended, after a short wait for the first one."""


class LocalEngine:
    """One job at a time, in this process."""

    dashboard = ""

    def __init__(self, retries: int, run: Callable[[Job], Outcome] = run_job) -> None:
        self._retries, self._run, self._job = retries, run, None

    def has_room(self) -> bool:
        """Say whether no job is noted."""
        return self._job is None

    def start(self, job: Job) -> None:
        """Note the job."""
        self._job = job

    def ended(self) -> Iterator[tuple[Job, Outcome]]:
        """Run the noted job."""
        job, self._job = self._job, None
        if job is not None:
            yield job, self._tried(job)

    def stop(self, *, at_once: bool) -> None:
        """Do nothing: nothing runs."""

    def _tried(self, job: Job) -> Outcome:
        for _ in range(self._retries + 1):
            try:
                return self._run(job)
            except TransientError as error:
                reason = str(error)
        return Outcome("failed", reason)


@dataclass(frozen=True)
class Resources:
    """What Ray gives to a job, and where Ray runs.

    Attributes:
        workers: jobs at once on a Ray that is started here; None: one per core.
        gpus: share of a GPU that each job gets.
        retries: further tries of a job whose worker died, or that failed in a way that may pass.
        address: of a running cluster; empty: start Ray here, unless RAY_ADDRESS is set.
        dashboard: start Ray's own page with a Ray that is started here.
    """

    workers: int | None = None
    gpus: float = 0.0
    retries: int = 3
    address: str = ""
    dashboard: bool = False


def _require_listener(address: str) -> None:
    """Refuse a host and port that accepts no connection: Ray would try for many minutes.

    Raises:
        OSError: there is no connection.
    """
    host, _, port = address.rpartition("//")[2].rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECTION).close()


def _require_gpus(share: float, *, here: bool) -> None:
    """Refuse GPUs that no worker gets: Ray would wait for them without end.

    Args:
        share: of a GPU for each job.
        here: Ray is to be started here. A cluster may still grow.

    Raises:
        ClickException: this machine has fewer, or it is neither a part nor a whole number.
    """
    if share > 1 and share % 1:
        raise click.ClickException(
            f"--gpus-per-cell={share:g}: give a part of one GPU, or a whole number of them"
        )
    if here and share > torch.cuda.device_count():
        there = counted(torch.cuda.device_count(), "GPU")
        raise click.ClickException(
            f"--gpus-per-cell={share:g}: this machine has {there}; leave it out, or join a cluster "
            "with --address"
        )


class RayEngine:
    """Runs jobs as tasks of Ray, to which it gives a few more than can run: no worker is idle."""

    def __init__(self, resources: Resources, run: Callable[[Job], Outcome] = run_job) -> None:
        """Start Ray or join a cluster.

        Raises:
            ClickException: Ray is not installed, the cluster does not answer, or no worker can have
                so many GPUs.
        """
        address = resources.address or os.environ.get("RAY_ADDRESS")
        _require_gpus(resources.gpus, here=not address)
        for name, value in RAY_VARIABLES.items():
            os.environ.setdefault(name, value)
        try:
            import ray
        except ImportError:
            raise click.ClickException(RAY_NEEDED) from None
        self._ray, self._resources = ray, resources
        self._running: dict[Any, Job] = {}
        given: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
        if not address:
            given |= {"num_cpus": resources.workers, "include_dashboard": resources.dashboard}
        try:
            _require_listener(address or "")
            # without "local", Ray would join one that runs here, or look for one that was killed
            context = ray.init(address or "local", ignore_reinit_error=True, **given)
        except Exception as error:  # Ray raises bare ones, too
            raise click.ClickException(
                f"Ray at {address or 'this machine'} does not answer "
                f"({reason_of(error)}); start it with ray start --head, set "
                "RAY_AUTH_MODE=token here if it was started with a token, or leave --address and "
                "RAY_ADDRESS out"
            ) from None
        self.dashboard = context.dashboard_url or ""
        slots = ray.cluster_resources().get("CPU", 1)
        if resources.gpus:
            slots = ray.cluster_resources().get("GPU", 0) / resources.gpus
        self._window = int(2 * max(slots, 1)) + 2
        # workers with a GPU are not used again unless max_calls says so: each would import again
        self._task = ray.remote(max_calls=0)(run)

    def has_room(self) -> bool:
        """Say whether Ray has fewer jobs than keep its workers busy."""
        return len(self._running) < self._window

    def start(self, job: Job) -> None:
        """Hand the job to Ray."""
        resources = self._resources
        task = self._task.options(
            name=job.name,
            num_cpus=1,
            num_gpus=resources.gpus or None,
            memory=job.memory_gb and min(int(job.memory_gb * 1e9), self._largest_memory()),
            max_retries=resources.retries,
            retry_exceptions=[TransientError] if resources.retries else False,
        )
        self._running[task.remote(job)] = job

    def ended(self) -> Iterator[tuple[Job, Outcome]]:
        """Yield jobs that ended; one that Ray gave up has failed or run out of memory."""
        if not self._running:
            return
        ready, _ = self._ray.wait([*self._running], num_returns=1, timeout=_LOOK)
        if ready:  # and all others that have ended
            ready, _ = self._ray.wait([*self._running], num_returns=len(self._running), timeout=0)
        for reference in ready:
            yield self._running.pop(reference), self._outcome(reference)

    def stop(self, *, at_once: bool) -> None:
        """End what runs, and a Ray that was started here.

        Args:
            at_once: kill the workers; else they have a moment to end their runs in MLflow.
        """
        for reference in self._running:
            self._ray.cancel(reference, force=at_once)
        if self._running and not at_once:
            self._ray.wait([*self._running], num_returns=len(self._running), timeout=2)
        self._running.clear()
        self._ray.shutdown()

    def _largest_memory(self) -> int:
        """Return the bytes of the largest node: a job that asks for more would wait without end."""
        nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        return int(max(resources.get("memory", 0) for resources in nodes))

    def _outcome(self, reference: Any) -> Outcome:
        errors = self._ray.exceptions
        try:
            return self._ray.get(reference)
        except errors.OutOfMemoryError:
            return Outcome("memory", "it ran out of memory")
        except TransientError as error:
            return Outcome("failed", str(getattr(error, "cause", error)))
        except errors.RayTaskError as error:  # such as where the project is not on that machine
            return Outcome("failed", first_line(error.cause))
        except errors.RayError as error:
            tries = self._resources.retries + 1
            kind = type(error).__name__
            return Outcome("failed", f"its worker died in each of {tries} tries ({kind})")
