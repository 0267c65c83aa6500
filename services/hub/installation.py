"""Which topics there are: those that are declared for the tenants served here, and those on the broker."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from schemas.topics import DEPARTMENT, Topic, department_topic, expand, topic_of
from services.classification.document import TaxonomyError
from services.classification.reading import default_taxonomy, load_taxonomy
from services.hub.desk import Desk
from services.hub.errors import WrongUse
from services.runtime.bus.admin import partition_counts
from services.runtime.process.tenants import Tenant, Tenants, TenantsRefused, read


class Queue(NamedTuple):
    """A department's queue."""

    tenant: str
    department: str

    @property
    def topic(self) -> str:
        """Its topic."""
        return department_topic(self.tenant, self.department)


def tenants_of(desk: Desk) -> Tenants:
    """Read the tenants file; raises WrongUse."""
    try:
        return read(desk.settings.tenants)
    except TenantsRefused as error:
        raise WrongUse(f"HUB_TENANTS: {error}") from error


def declared(tenants: Tenants) -> dict[str, Topic]:
    """Return every topic of this installation by its name; raises WrongUse."""
    return dict(expand([(tenant.name, _departments(tenant)) for tenant in tenants.tenants]))


def _departments(tenant: Tenant) -> list[str]:
    try:
        taxonomy = load_taxonomy(tenant.taxonomy) if tenant.taxonomy else default_taxonomy()
    except (TaxonomyError, OSError) as error:
        raise WrongUse(str(error)) from error
    return [department.name for department in taxonomy.departments]


async def topics_there(desk: Desk) -> list[str]:
    """Return the hub's own topics on the broker that carry events."""
    return sorted(name for name in await partition_counts(desk.connection) if _carries_events(name))


def _carries_events(name: str) -> bool:
    try:
        return bool(topic_of(name).carries)
    except KeyError:
        return False


async def queues_there(desk: Desk, department: str | None = None, tenant: str | None = None) -> list[Queue]:
    """Return the queues on the broker, of one department or one municipality or all; raises WrongUse for none."""
    names = (name.split(".") for name in await topics_there(desk) if topic_of(name) is DEPARTMENT)
    queues = [Queue(parts[1], parts[2]) for parts in names]
    if tenant and tenant not in {each.tenant for each in queues}:
        raise WrongUse(f"no municipality is called {tenant}: {_list(each.tenant for each in queues)}")
    theirs = [each for each in queues if tenant in {None, each.tenant}]
    found = [each for each in theirs if department in {None, each.department}]
    if department and not found:
        raise WrongUse(f"no department is called {department}: {_list(each.department for each in theirs)}")
    return found


def _list(names: Iterable[str]) -> str:
    found = sorted(set(names))
    return f"there are {', '.join(found)}" if found else "there are none"
