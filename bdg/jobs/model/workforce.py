"""Workers that are already there: on which machines, with how many threads and how much memory."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

from bdg.lattices.budget import size_in_words


@dataclass(frozen=True)
class Member:
    """A worker.

    Attributes
    ----------
    host : str
        Its machine.
    gpu : str
        The device of it that the worker sees; "" where it computes on the host.
    threads : int
        That a point may use on it (``BDG_THREADS``).
    cores : int
        Of its machine, as far as it may use them.
    available : float
        Bytes that are left on machine or device.
    limit : float
        Bytes after which it is ended; infinite where it has none.
    """

    host: str
    threads: int
    cores: int
    available: float
    limit: float = math.inf
    gpu: str = ""

    @property
    def place(self) -> str:
        """Whose memory it shares with others."""
        return f"GPU {self.gpu} of {self.host}" if self.gpu else self.host

    @property
    def bytes(self) -> float:
        """What it can take where nobody else does."""
        return min(self.available, self.limit)


@dataclass(frozen=True)
class Workforce:
    """The workers of a scheduler, and how that was named."""

    members: tuple[Member, ...]
    scheduler: str

    @property
    def size(self) -> int:
        """How many they are."""
        return len(self.members)

    @property
    def threads(self) -> int:
        """Threads of the one with fewest."""
        return min(member.threads for member in self.members)

    @property
    def cores(self) -> int:
        """Cores that their threads keep busy, of all machines together."""
        asked = Counter[str]()
        for member in self.members:
            asked[member.host] += member.threads
        there = {member.host: member.cores for member in self.members}
        return sum(min(asked[host], there[host]) for host in there)

    @property
    def bytes(self) -> float:
        """What the one with least memory can take where nobody else does."""
        return min(member.bytes for member in self.members)

    def refusal(self, needed: float, points: int) -> str:
        """Return why ``points`` of ``needed`` bytes cannot be computed by these workers, with the cure; "" if they can.

        Points are given to whoever is free, so each place must hold as many at a time as it has workers.
        """
        narrow = min(self.members, key=lambda member: member.limit)
        if needed > narrow.limit:
            return (
                f"a point takes {size_in_words(needed)}, and a worker on {narrow.place} is ended at "
                f"{size_in_words(narrow.limit)}; start the workers with --memory-limit 0, or with more"
            )
        crews = Counter(member.place for member in self.members)
        for member in self.members:
            crew = min(crews[member.place], points)
            if crew * needed > member.available:
                fit = int(member.available // needed)
                would = f"{fit} would" if fit else "not even one does: take machines with more, or a smaller system"
                return (
                    f"{crew} worker{'s' if crew > 1 else ''} of {size_in_words(needed)} each do not fit into the "
                    f"{size_in_words(member.available)} that are left on {member.place}; {would}"
                )
        return ""
