"""A batch script that runs a job under Slurm: scheduler, workers and runner by ordinary command lines."""

from __future__ import annotations

import shlex
import textwrap

from bdg.gpu.device.threads import VARIABLE
from bdg.jobs.engines.worker import WORKER_ENVIRONMENT


def slurm_script(
    job: str,
    name: str,
    *,
    workers: int = 16,
    cores: int = 1,
    gpu: bool = False,
    hours: float = 12.0,
    out: str | None = None,
    arguments: tuple[str, ...] = (),
) -> str:
    """Return a bash script for ``sbatch``.

    Parameters
    ----------
    job, name : str
        Path of the job file, and name of the run.
    workers : int
        Processes that compute points, on as many nodes as Slurm gives.
    cores : int
        Of each of them.
    gpu : bool
        One device for each worker.
    hours : float
        After which Slurm ends it; the same script then goes on.
    out : str, optional
        Run directory, on a file system that all nodes see.
    arguments : tuple of str
        Passed on to ``bdg run``.

    Returns
    -------
    str
        The allocation has one task more than there are workers: scheduler and runner share it.
    """
    environment = " ".join(f"{key}={value}" for key, value in WORKER_ENVIRONMENT.items())
    minutes = max(1, round(60 * hours))
    folder = out or f"runs/out/{name}"
    run = shlex.join(["bdg", "run", job, "--out", folder, "--no-progress", *arguments])
    lines = f"""\
        #!/bin/bash
        # Made by `bdg slurm`. sbatch it from a folder that all nodes see, in the environment that bdg is installed in;
        # submitted again it computes what is missing.
        #SBATCH --job-name={name}
        #SBATCH --ntasks={workers + 1}
        #SBATCH --cpus-per-task={cores}
        #SBATCH --time={minutes}
        {"#SBATCH --gpus-per-task=1" if gpu else "#"}
        #SBATCH --signal=B:TERM@60
        set -u

        # Read by workers before they load NumPy. Results do not depend on {VARIABLE}.
        export {environment} {VARIABLE}={cores}
        # What dask would have instead takes a third of a point's time: samples of what it is at, and memory given back
        # after each array (glibc by itself comes to these thresholds, in bytes).
        export DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED=False
        export MALLOC_MMAP_THRESHOLD_=33554432 MALLOC_TRIM_THRESHOLD_=67108864

        scheduler_file="${{TMPDIR_SHARED:-$PWD}}/.dask-{name}-${{SLURM_JOB_ID:-0}}.json"
        trap 'rm -f "$scheduler_file"; kill $(jobs -p) 2>/dev/null; wait' EXIT
        trap 'exit 143' TERM INT

        # The scheduler listens on the network of the cluster: whoever reaches its port can run code as you. Where other
        # users do, give both commands --tls-ca-file, --tls-cert, --tls-key (docs/cluster.md).
        host=$(hostname)
        dask scheduler --host "$host" --port 0 --no-dashboard --scheduler-file "$scheduler_file" &
        srun --ntasks={workers} --cpus-per-task={cores}{" --gpus-per-task=1" if gpu else ""} \\
            dask worker --scheduler-file "$scheduler_file" --nthreads 1 --nworkers 1 \\
            --no-dashboard --memory-limit 0 --death-timeout 300 &

        until [ -s "$scheduler_file" ]; do sleep 1; done
        {run} --scheduler "$scheduler_file" &
        wait $!
        """
    return textwrap.dedent(lines)
