"""Ray: workers of a campaign on the nodes of a Ray cluster, for `tzer fuzz --ray ADDRESS`.

A worker is an actor, which owns a sandbox (`harness.worker.sandbox`) on its node: a case that dies
harms neither. The campaign, its store and its choices stay where the command was typed. Where an
actor or its node is lost, the job in flight has died, and another actor takes the next one.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness import UserError
from harness.system.text import first_line
from harness.worker.sandbox import (
    NO_BLOCKS,
    START_SECONDS,
    JobResult,
    SandboxError,
    Settings,
    Worker,
    killed,
)
from tzer.cov import tvm_release

# What a result may take to come back, beyond the limit of its job.
TRANSPORT_SECONDS = 30.0
INSTALL = "install it with: pip install 'tzer[ray]'"


@dataclass(frozen=True)
class Started:
    """What an actor says of itself once its sandbox runs."""

    native: bool
    start_blocks: np.ndarray
    release: str
    node: str


class _Actor:
    """A sandbox on a node. Two threads call it: one runs jobs, the other interrupts them."""

    def __init__(self, settings: Settings) -> None:
        self.worker = Worker(settings)

    def started(self) -> Started:
        node = os.uname().nodename
        return Started(self.worker.native, self.worker.start_blocks, tvm_release(), node)

    def run(self, request: dict[str, Any], fresh: bool, settings: Settings) -> JobResult:
        self.worker.settings = settings
        return self.worker.run(request, fresh=fresh)

    def forget_known(self, blocks: np.ndarray) -> None:
        self.worker.forget_known(blocks)

    def interrupt(self) -> None:
        self.worker.interrupt()

    def close(self) -> None:
        self.worker.close()


class RayCluster:
    """A connection to a cluster, which starts workers there."""

    def __init__(self, address: str) -> None:
        """Connect.

        Raises:
            UserError: Ray is not installed, or no cluster is at the address.
        """
        try:
            import ray
        except ImportError:
            raise UserError(f"--ray needs the package ray; {INSTALL}") from None
        self._ray = ray
        try:
            ray.init(address=address, log_to_driver=False, logging_level="error")
        except Exception as error:  # ConnectionError, ValueError, RuntimeError, by version
            why = f"no Ray cluster at {address}: {first_line(error)}"
            raise UserError(f"{why}; start one with: ray start --head") from None

    def processors(self) -> int:
        """How many workers the cluster has room for."""
        return max(1, int(self._ray.cluster_resources().get("CPU", 1)))

    def worker(self, settings: Settings) -> RayWorker:
        """A worker on the node with most room.

        Raises:
            SandboxError: no node can start one.
        """
        return RayWorker(self._ray, settings)

    def close(self) -> None:
        self._ray.shutdown()


class RayWorker:
    """A worker like `harness.worker.sandbox.Worker`, elsewhere."""

    def __init__(self, ray: Any, settings: Settings) -> None:
        self.settings = settings
        self._ray = ray
        self._known: list[np.ndarray] = []
        self._interrupted = False
        self._actor: Any = None
        self.native = False
        self.start_blocks = NO_BLOCKS
        self._start()

    def run(self, request: dict[str, Any], *, fresh: bool = False) -> JobResult:
        """Run one job; see `Worker.run`. A lost actor is a worker that was killed.

        Raises:
            SandboxError: no node can start another actor.
        """
        self._interrupted = False
        if self._actor is None:
            self._start()
        try:
            job = self._actor.run.remote(request, fresh, self.settings)
            return self._get(job, self.settings.seconds + START_SECONDS + TRANSPORT_SECONDS)
        except (self._ray.exceptions.RayActorError, self._ray.exceptions.GetTimeoutError):
            self._discard()
            return killed(interrupted=self._interrupted)

    def forget_known(self, blocks: np.ndarray) -> None:
        """Disarm these blocks; see `Worker.forget_known`."""
        self._known.append(blocks)
        actor = self._actor
        if actor is not None:
            actor.forget_known.remote(blocks)

    def interrupt(self) -> None:
        """End the job in flight, from another thread."""
        self._interrupted = True
        actor = self._actor  # which the thread that runs the job may discard meanwhile
        if actor is not None:
            actor.interrupt.remote()

    def close(self) -> None:
        """End the actor, and with it what it has started. Safe to call twice."""
        self._discard()

    def _start(self) -> None:
        actor = self._ray.remote(_Actor)
        options = actor.options(num_cpus=1, max_concurrency=2, scheduling_strategy="SPREAD")
        self._actor = options.remote(self.settings)
        try:
            started: Started = self._get(self._actor.started.remote(), 2 * START_SECONDS)
        except (self._ray.exceptions.RayActorError, self._ray.exceptions.GetTimeoutError) as error:
            self._discard()
            raise SandboxError(f"no node starts a worker: {first_line(error)}") from None
        if started.release != tvm_release():
            self._discard()
            raise SandboxError(
                f"{started.node} has TVM {started.release}, and this machine {tvm_release()}; "
                "install the same on each node"
            )
        self.native, self.start_blocks = started.native, started.start_blocks
        if self._known:
            self._actor.forget_known.remote(np.concatenate(self._known))

    def _get(self, reference: Any, seconds: float) -> Any:
        """The result of a call; a SandboxError of the actor's is raised here."""
        try:
            return self._ray.get(reference, timeout=seconds)
        except self._ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, SandboxError):
                raise SandboxError(str(error.cause)) from None
            raise

    def _discard(self) -> None:
        actor, self._actor = self._actor, None
        if actor is not None:
            self._ray.kill(actor)
