"""``update``: change the resource limits of a container."""

from __future__ import annotations

from crunw import notices, status
from crunw.effects.cgroups.layout import Layout
from crunw.effects.cgroups.update import put_back
from crunw.effects.cgroups.update import update as update_cgroup
from crunw.effects.init import Init
from crunw.effects.store import Container, write_file
from crunw.lifecycle.cgroup import filters_devices
from crunw.lifecycle.pause import needed_cgroup
from crunw.lifecycle.state import current
from crunw.oci.jsontext import dumps
from crunw.oci.load import checked_resources, load
from crunw.paths import init_path
from crunw.plan import device_rules, devices_bpf
from crunw.plan.encode import Step
from crunw.plan.resources import writes
from crunw.plan.update import completed, merged

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crunw.oci.model import Resources


def update(root: str, container_id: str, asked: Resources) -> None:
    """Set the limits in ``asked``, checked by :mod:`crunw.oci.load`; the others stay.

    The container's copy of the specification says afterwards what holds. On an error nothing has
    changed, but what a notice says. Raises :class:`crunw.errors.CrunwError`.
    """
    container = Container(root, container_id)
    container.lock()
    record = container.read()
    status.check("update", container_id, current(container, record))
    group = needed_cgroup("update", container_id, record)
    spec = load(container.directory)
    before = spec["linux"].get("resources", {})
    changes = completed(before, asked)
    spec["linux"]["resources"] = checked_resources(merged(before, changes))
    layout = Layout(group.tops())
    notices.keep_in(container.notices_file())
    undone_by = update_cgroup(group, writes(changes, layout.version))
    try:
        if "devices" in changes and filters_devices(layout):
            _filter_devices(group.unified, changes)
        write_file(container.config(), dumps(spec))
    except BaseException:
        put_back(group, undone_by)
        raise


def _filter_devices(directory: str, resources: Resources) -> None:
    """Have ``crunw-init`` attach a filter in the place of the earlier one (cgroup v2)."""
    program = devices_bpf.program(device_rules.rules(resources["devices"]))
    init = Init(init_path())
    init.send([Step("cgroup_devices", directory, program)])
    init.finish()
