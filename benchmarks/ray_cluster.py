"""Ray: a campaign on a local cluster of two nodes, one of which is lost on the way.

    pip install '.[ray]'; python benchmarks/ray_cluster.py [--tests 200] [--json]

Starts a head and a second node of one processor each, in this machine, and a campaign with a worker
on each (`tzer fuzz --ray`). After a third of the tests one actor's process is killed, and after two
thirds the second node is removed and another added. Checks that both nodes worked, that all tests
were made, and that nothing is left running; exit status 1 if one of these fails. `ratio` is the
campaign's tests a second divided by those of the same campaign with local workers.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import psutil
from ray.cluster_utils import Cluster

from corpus.store import Store
from tzer.campaign import run_campaign
from tzer.options import CampaignOptions
from tzer.ray_cluster import RayCluster

JOBS = 2


def sandboxes() -> list[psutil.Process]:
    """Those below this process, which is the parent of its cluster's nodes."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if "harness.worker.zygote" in process.cmdline():
                found.append(process)
        except psutil.Error:  # it has just ended
            continue
    return found


def campaign(tests: int, cluster: Cluster | None) -> dict[str, Any]:
    """The statistics of a campaign on the cluster, which loses an actor and a node, or locally."""
    seen: set[psutil.Process] = set()
    nodes: set[int] = set()
    events: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "campaign"
        options = CampaignOptions(None, tests, JOBS, out, seed=1)

        def on_progress(stats: dict[str, Any]) -> None:
            ours = sandboxes()
            seen.update(ours)
            nodes.update(node_of(process) for process in ours)
            if cluster is None:
                return
            if not events and stats["tests"] > tests / 3 and ours:
                os.kill(ours[0].ppid(), signal.SIGKILL)
                events.append("actor")
            if len(events) == 1 and stats["tests"] > 2 * tests / 3:
                cluster.remove_node(list(cluster.worker_nodes)[0])
                cluster.add_node(num_cpus=1)
                events.append("node")

        with Store.create_or_resume(out) as store:
            if cluster is None:
                stats = run_campaign(options, store, on_progress)
            else:
                connection = RayCluster(cluster.address)
                try:
                    stats = run_campaign(options, store, on_progress, connection.worker)
                finally:
                    connection.close()
    time.sleep(3)
    left = [process.pid for process in seen if process.is_running()]
    return {
        "tests": stats["tests"],
        "tests_per_second": round(stats["tests_per_second"], 2),
        "valid_rate": round(stats["valid_rate"], 4),
        "native_blocks": stats["native_blocks"],
        "faults": stats["faults"],
        "nodes": len(nodes - {0}),
        "lost": events,
        "left": len(left),
    }


def node_of(process: psutil.Process) -> int:
    """The process of the node that an actor's sandbox is on; 0 if there is none."""
    try:
        return next((each.pid for each in process.parents() if each.name() == "raylet"), 0)
    except psutil.Error:
        return 0


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--tests", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    started = time.monotonic()
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    cluster.add_node(num_cpus=1)
    start_s = time.monotonic() - started
    try:
        there = campaign(arguments.tests, cluster)
    finally:
        cluster.shutdown()
    here = campaign(arguments.tests, None)
    result = {
        "cluster_start_s": round(start_s, 1),
        "ray": there,
        "local": here,
        "ratio": round(there["tests_per_second"] / here["tests_per_second"], 2),
    }
    worked = (
        there["tests"] >= arguments.tests
        and there["nodes"] >= JOBS
        and there["lost"] == ["actor", "node"]
        and not there["left"]
        and not there["faults"]
    )
    print(json.dumps(result, indent=1) if arguments.json else result)
    return 0 if worked else 1


if __name__ == "__main__":
    sys.exit(main())
