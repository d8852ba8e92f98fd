"""Points of a job in groups: order of groups and members, titles, jobs without points."""

from bdg.jobs.kinds.shared.groups import by_system, by_temperature, groups_of, seed_of, temperature_of
from bdg.jobs.model.results import JobResults, PointResult


def _results(*points):
    made = [
        PointResult(str(k), "", {"system": {"width": width, "seed": seed}, "compute": {"temperature_K": kelvin}}, {})
        for k, (width, seed, kelvin) in enumerate(points)
    ]
    return JobResults("kind", "name", "identity", tuple(made))


def _labels(groups):
    return {title: "".join(point.digest for point in points) for title, points in groups.items()}


def test_groups_come_as_the_sweep_and_members_in_order():
    results = _results((4, 2, 20.0), (2, 2, 20.0), (4, 1, 20.0), (4, 1, 10.0), (2, 1, 10.0))
    assert list(_labels(groups_of(results)).items()) == [("width = 4", "320"), ("width = 2", "41")]
    by_heat = by_system(results, lambda point: (temperature_of(point), seed_of(point)))
    assert list(_labels(by_heat).items()) == [("width = 4", "320"), ("width = 2", "41")]
    assert _labels(by_temperature(results)) == {10.0: "34", 20.0: "201"}


def test_what_makes_a_group():
    results = _results((4, 1, 10.0), (2, 1, 10.0))
    assert _labels(by_system(results, lambda point: point.digest, apart_from="width")) == {"": "01"}
    also = lambda point: f"point {point.digest}"  # noqa: E731
    titles = by_system(results, lambda point: point.digest, also=also)
    assert list(titles) == ["width = 4, point 0", "width = 2, point 1"]


def test_a_job_without_points_has_no_groups():
    assert groups_of(_results()) == {} and by_system(_results(), temperature_of) == {}
