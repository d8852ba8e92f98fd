"""The commands ``bdg cluster`` and ``bdg slurm``: workers beyond the processes of one `bdg run`."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from bdg.gpu.device.backend import gpu_count
from bdg.jobs.engines.local_cluster import LOOPBACK, LocalCluster
from bdg.jobs.job import load_job
from bdg.jobs.model.place import CODE_FLAG
from bdg.jobs.slurm import slurm_script


def add_cluster_commands(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], positive: Callable[[str], int]
) -> None:
    """Add both commands to a parser."""
    cluster = commands.add_parser(
        "cluster",
        help="start a dask scheduler with workers on this machine",
        description="Start a dask scheduler and worker processes of one thread each on this machine, say their "
        "address, and run until Ctrl-C (extra 'cluster'). On a machine with GPUs each worker sees one of them.",
    )
    cluster.add_argument("--workers", type=positive, default=1, metavar="N", help="worker processes (default: 1)")
    cluster.add_argument(
        "--host",
        default=LOOPBACK,
        help=f"interface to listen on (default: {LOOPBACK}, this machine only). Whoever reaches another can run any "
        "code as you: docs/cluster.md on TLS",
    )
    cluster.add_argument("--port", type=int, default=0, help="default: a free one")
    cluster.add_argument("--scheduler-file", metavar="FILE", help="write the address there")
    cluster.set_defaults(act=_cluster)

    slurm = commands.add_parser(
        "slurm",
        help="a batch script that runs a job under Slurm",
        description="Print a batch script for sbatch: scheduler, workers and runner of a job, on one node or many.",
    )
    slurm.add_argument("job", metavar="JOB.toml", help="job file")
    slurm.add_argument("--workers", type=positive, default=16, metavar="N", help="worker processes (default: 16)")
    slurm.add_argument("--cores", type=positive, default=1, metavar="N", help="of each worker (default: 1)")
    slurm.add_argument("--gpu", action="store_true", help="one GPU for each worker")
    slurm.add_argument("--hours", type=float, default=12.0, help="after which Slurm ends it (default: 12)")
    slurm.add_argument("--out", metavar="DIR", help="run directory (default: runs/out/<name of the job>)")
    slurm.add_argument(CODE_FLAG, action="store_true", help="as for bdg run, which is then called with it")
    slurm.set_defaults(act=_slurm)


def _cluster(chosen: argparse.Namespace) -> int:
    devices = gpu_count()
    about = f"{chosen.workers} workers of one thread" + (f", {devices} GPUs" if devices else "")
    where = {"host": chosen.host, "port": chosen.port, "scheduler_file": chosen.scheduler_file}
    cluster = LocalCluster(chosen.workers, gpus=devices, **where)
    cluster.serve(lambda address: print(f"{about}: bdg run JOB.toml --scheduler {address}", flush=True))
    return 0


def _slurm(chosen: argparse.Namespace) -> int:
    job = load_job(chosen.job, allow_code=chosen.allow_code)
    more = (("--device", "gpu") if chosen.gpu else ()) + ((CODE_FLAG,) if chosen.allow_code else ())
    options = {"workers": chosen.workers, "cores": chosen.cores, "gpu": chosen.gpu, "hours": chosen.hours}
    print(slurm_script(chosen.job, job.name, **options, out=chosen.out, arguments=more), end="")
    return 0
