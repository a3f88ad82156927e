"""Capacity for trials, node by node: a worker must fit one node."""

from dataclasses import dataclass

from intelligen.config.schema.resources import Resources
from intelligen.config.schema.sweep import Sweep
from intelligen.errors import UnavailableError

NAMED = 4


@dataclass(frozen=True)
class Node:
    """A machine, or several alike."""

    name: str
    cpus: int
    gpus: int
    count: int = 1

    def holds(self, cpus: int, gpus: int) -> int:
        """How many workers of so many processors and GPUs fit on it."""
        fit = self.cpus // cpus
        return self.count * (min(fit, self.gpus // gpus) if gpus else fit)

    def __str__(self) -> str:
        each = f"{self.name} {self.cpus} CPUs" + (f" and {self.gpus} GPUs" if self.gpus else "")
        return each if self.count == 1 else f"{self.count} × {each}"


@dataclass(frozen=True)
class Capacity:
    """Processors and GPUs of a machine or a cluster, node by node."""

    location: str
    """`this machine`, or the cluster's address."""
    nodes: tuple[Node, ...]
    addable: tuple[Node, ...] = ()
    """What an autoscaler can add to these."""

    @property
    def cpus(self) -> int:
        """Processors of all nodes, including those that can be added."""
        return sum(node.count * node.cpus for node in (*self.nodes, *self.addable))

    @property
    def gpus(self) -> int:
        """GPUs of all nodes, including those that can be added."""
        return sum(node.count * node.gpus for node in (*self.nodes, *self.addable))

    def workers(self, cpus: int, gpus: int) -> int:
        """Workers of so many processors and GPUs that can run at once."""
        return sum(node.holds(cpus, gpus) for node in (*self.nodes, *self.addable))

    def fitting(self, resources: Resources) -> int:
        """Trials that can run at once."""
        return self.workers(resources.cpus_per_worker, resources.gpus) // resources.workers

    def require(self, sweep: Sweep) -> None:
        """Refuse what could never be scheduled: Ray itself would wait for it for ever.

        Raises:
            UnavailableError: Naming each stage that does not fit, what it asks for, and what there is.

        """
        problems = []
        for key, resources, times in (
            ("baseline", sweep.baseline, sweep.baselines_at_once()),
            ("resources", sweep.resources, sweep.resources.at_once),
        ):
            try:
                self.require_for(key, resources, times)
            except UnavailableError as error:
                problems.append(str(error))
        if problems:
            raise UnavailableError("\n".join(problems))

    def require_for(self, key: str, resources: Resources, times: int) -> None:
        """Refuse a stage that does not fit.

        Args:
            key: Of the sweep file: `baseline` or `resources`.
            resources: The settings under that key.
            times: Trials at once.

        Raises:
            UnavailableError: It does not.

        """
        asked, cpus, gpus = resources.workers * times, resources.cpus_per_worker, resources.gpus
        if asked <= self.workers(cpus, gpus):
            return
        concurrent = f" × {times} concurrent trials" if times > 1 else ""
        workers = f"{resources.workers} worker{'' if resources.workers == 1 else 's'}"
        for kind, each, there in (("CPU", cpus, self.cpus), ("GPU", gpus, self.gpus)):
            if asked * each > there:
                most = f"{key}.{kind.lower()}s_per_worker"
                lower = f"lower {key}.workers, {most} or {key}.concurrent_trials" if there else f"set {most} to 0"
                raise UnavailableError(
                    f"{key}: asks for {asked * each} {kind}{'' if asked * each == 1 else 's'}"
                    f" ({workers} × {each}{concurrent}), {self.location} has {there}{self._with_addable()}; {lower}"
                )
        one = f"{cpus} CPUs" + (f" and {gpus} GPU" if gpus else "")
        raise UnavailableError(
            f"{key}: a worker asks for {one} on one node, and {self.location} has room for"
            f" {self.workers(cpus, gpus)} of the {asked} ({workers}{concurrent}): {self.listed()};"
            f" lower {key}.cpus_per_worker, {key}.workers or {key}.concurrent_trials"
        )

    def _with_addable(self) -> str:
        return f" with all that its autoscaler can add ({self.listed()})" if self.addable else ""

    def listed(self) -> str:
        """The largest nodes, as text for a message."""
        nodes = sorted((*self.nodes, *self.addable), key=lambda node: (node.gpus, node.cpus), reverse=True)
        more = f" and {len(nodes) - NAMED} more" if len(nodes) > NAMED else ""
        return ", ".join(map(str, nodes[:NAMED])) + more
